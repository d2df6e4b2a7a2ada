"""Tokens that wait for an event: dated when two people have recorded it, whatever happened to them meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from apps.accounts.models import Membership, Role
from apps.core.context import acting_as
from apps.core.problems import Problem
from apps.operations.ledger.invariant import violations_of
from apps.operations.ledger.tokens import TOKENS
from apps.sites.scope import bind_site
from apps.vesting.freezing import allocation_pause, allocation_resume
from apps.vesting.milestone_models import Milestone
from apps.vesting.milestones import milestone_approve, milestone_ask, milestone_decline
from apps.vesting.models import Allocation, Release
from apps.vesting.revocation import Cause, allocation_revoke_part
from apps.vesting.revoking import revocation_ask
from apps.vesting.schedule import NEVER, TermsError, accrual_of, terms_read
from apps.vesting.statement_curves import picture_of
from apps.vesting.statement_page import page_response
from apps.vesting.statements import statement_of
from apps.vesting.unlocking import releases_unlock_due
from tests.admin.rows import MILESTONE, entered, make_waiting_allocation, staff_of
from tests.clients import api_of
from tests.factories import in_site, make_asset, make_member, make_site
from tests.orders.scene import wait_for_blocked
from tests.payouts.scenes import Thread
from tests.vesting.test_revoking_races import held

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
STAFF = "/api/v1/staff/vesting/"


class Grant:
    """An allocation of 10**18 that waits for ``mainnet``, and two people."""

    def __init__(self) -> None:
        self.site = make_site("NA")
        make_asset(self.site)
        self.one, self.two = (make_member(self.site, Role.APPROVER) for _ in range(2))
        self.allocation: Allocation = make_waiting_allocation(self.site, make_member(self.site))

    def does(self, step: Any, *, by: Membership | None = None, **fields: Any) -> Any:
        with acting_as("user", str((by or self.one).id)), bind_site(self.site.id):
            return step(**fields)

    def ask(self, **fields: Any) -> Milestone:
        asked: dict[str, Any] = {
            "code": "mainnet",
            "evidence": "block 1",
            "happened_at": timezone.now() - timedelta(hours=1),
        }
        made: Milestone = self.does(
            milestone_ask, allocation_id=self.allocation.id, asked_by_id=self.one.id, **asked | fields
        )
        return made

    def approve(self, milestone: Milestone, by: Membership | None = None) -> Milestone:
        person = by or self.two
        made: Milestone = self.does(
            milestone_approve, by=person, milestone_id=milestone.id, decided_by_id=person.id, note="seen"
        )
        return made

    def states(self) -> list[tuple[str, int, bool]]:
        """(state, base units, whether it still waits) of what waits or waited."""
        with in_site(self.site):
            rows = Release.objects.filter(allocation=self.allocation, milestone="mainnet").order_by("number")
            return [(row.status, row.amount_base_units, row.unlock_at == NEVER) for row in rows]

    def unlock(self) -> None:
        self.does(releases_unlock_due, limit=100)

    def faults(self) -> list[Any]:
        """What the books have against it."""
        with in_site(self.site):
            return [fault for invariant in TOKENS for fault in violations_of(invariant, limit=10)]


WHOLE = 10**18


def test_it_waits_until_two_people_have_recorded_the_event() -> None:
    # given an allocation that waits
    grant = Grant()
    grant.unlock()
    assert grant.states() == [("locked", WHOLE, True)]
    # when one person asks, nothing changes
    asked = grant.ask()
    grant.unlock()
    assert grant.states() == [("locked", WHOLE, True)]
    # then a second one's word dates it, and the unlock sweep finds it
    recorded = grant.approve(asked)
    grant.unlock()
    assert (recorded.state, recorded.decided_by_id) == ("recorded", grant.two.id)
    assert grant.states() == [("replaced", WHOLE, True), ("unlocked", WHOLE, False)]
    with in_site(grant.site):
        dated = Release.objects.get(allocation=grant.allocation, milestone="mainnet", status="unlocked")
    assert dated.unlock_at == recorded.decided_at
    assert grant.faults() == []


def refusal(call: Any) -> str:
    with pytest.raises(Problem) as refused:
        call()
    return refused.value.code


def test_what_is_refused() -> None:
    grant = Grant()
    assert refusal(lambda: grant.ask(code="moon")) == "nothing_waits"
    assert refusal(lambda: grant.ask(happened_at=timezone.now() + timedelta(hours=1))) == "happened_in_future"
    asked = grant.ask()
    assert refusal(grant.ask) == "milestone_open"
    assert refusal(lambda: grant.approve(asked, by=grant.one)) == "second_person_needed"
    grant.approve(asked)
    assert refusal(lambda: grant.approve(asked)) == "milestone_decided"
    assert refusal(grant.ask) == "nothing_waits"


def test_declined_it_can_be_asked_for_again() -> None:
    grant = Grant()
    asked = grant.ask()
    grant.does(milestone_decline, milestone_id=asked.id, decided_by_id=grant.two.id, note="not yet")
    assert grant.approve(grant.ask()).state == "recorded"


def test_a_refund_takes_its_part_of_what_waits_and_the_rest_is_reached() -> None:
    grant = Grant()
    with in_site(grant.site):
        allocation_revoke_part(
            allocation_id=grant.allocation.id,
            returned_minor=1,
            paid_minor=2,
            cause=Cause("refund", grant.allocation.id),
        )
    grant.approve(grant.ask())
    half = WHOLE // 2
    assert grant.states()[1:] == [("replaced", half, True), ("revoked", half, True), ("locked", half, False)]
    assert grant.faults() == []


def test_revoked_before_it_is_reached_it_is_gone_and_after_it_stays() -> None:
    first = Grant()
    asked = first.ask()
    revoke: dict[str, Any] = {"scope": "unvested", "reason": "left", "asked_by_id": first.one.id}
    first.does(revocation_ask, allocation_id=first.allocation.id, **revoke)
    assert refusal(lambda: first.approve(asked)) == "nothing_waits"
    assert first.states() == [("revoked", WHOLE, True)]
    second = make_waiting_allocation(first.site, make_member(first.site))
    first.allocation = second
    first.approve(first.ask())
    assert (
        refusal(lambda: first.does(revocation_ask, allocation_id=second.id, **revoke)) == "nothing_to_revoke"
    )


def test_paused_it_is_reached_and_unlocks_when_the_pause_ends() -> None:
    grant = Grant()
    pause: dict[str, Any] = {
        "allocation_id": grant.allocation.id,
        "reason": "a look",
        "by_member_id": grant.one.id,
    }
    grant.does(allocation_pause, **pause)
    grant.approve(grant.ask())
    assert grant.states() == [("replaced", WHOLE, True), ("frozen", WHOLE, False)]
    grant.does(allocation_resume, **pause)
    assert grant.states()[1] == ("unlocked", WHOLE, False)


# As a revocation, a pause or a refund holds it.
ALLOCATION = "SELECT 1 FROM vesting_allocation FOR NO KEY UPDATE"


def revokes(grant: Grant) -> str:
    return str(
        grant.does(
            revocation_ask,
            allocation_id=grant.allocation.id,
            scope="unvested",
            reason="left",
            asked_by_id=grant.one.id,
        ).state
    )


def test_a_revocation_that_came_first_leaves_nothing_to_reach(admin_connection: Any) -> None:
    grant = Grant()
    asked = grant.ask()
    with held(ALLOCATION):
        revoking = Thread(lambda: revokes(grant))
        wait_for_blocked(admin_connection, 1)
        approving = Thread(lambda: refusal(lambda: grant.approve(asked)))
        wait_for_blocked(admin_connection, 2)
    assert (revoking.outcome(), approving.outcome()) == ("done", "nothing_waits")
    assert grant.states() == [("revoked", WHOLE, True)]


def test_a_record_that_came_first_is_vested(admin_connection: Any) -> None:
    grant = Grant()
    asked = grant.ask()
    with held(ALLOCATION):
        approving = Thread(lambda: grant.approve(asked).state)
        wait_for_blocked(admin_connection, 1)
        revoking = Thread(lambda: refusal(lambda: revokes(grant)))
        wait_for_blocked(admin_connection, 2)
    assert (approving.outcome(), revoking.outcome()) == ("recorded", "nothing_to_revoke")
    assert grant.states() == [("replaced", WHOLE, True), ("locked", WHOLE, False)]
    assert grant.faults() == []


def test_without_the_lock_it_would_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of both."""
    grant = Grant()
    asked = grant.ask()
    monkeypatch.setattr("apps.vesting.milestones.allocation_locked", lambda _id: None)
    with held(ALLOCATION):
        assert Thread(lambda: grant.approve(asked).state).outcome() == "recorded"


def test_a_statement_says_what_it_waits_for_and_draws_no_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.vesting.statements.SETTLED_AFTER", timedelta(0))
    grant = Grant()
    owner = grant.allocation.beneficiary_id
    before = timezone.now()
    grant.approve(grant.ask())
    with in_site(grant.site):
        waiting = statement_of(beneficiary_id=owner, as_of=before)
        reached = statement_of(beneficiary_id=owner, as_of=timezone.now())
        page = page_response(waiting).content.decode()
        last = picture_of(waiting).series[0].points[-1][0]
    assert [each["base_units"]["vested"] for each in (waiting["assets"][0], reached["assets"][0])] == [
        "0",
        str(WHOLE),
    ]
    assert waiting["allocations"][0]["releases"][0]["milestone"] == "mainnet"
    assert "when mainnet is recorded" in page and "9999" not in page
    assert last.year < 9999


DECLINED = (
    "UPDATE vesting_milestone SET state = 'declined', decided_at = now(), decided_by_id = asked_by_id;"
    "UPDATE vesting_milestone SET "
)


def another(code: str = "'other'", happened_at: str = "now()", evidence: str = "'x'") -> str:
    return (
        "INSERT INTO vesting_milestone (id, site_id, allocation_id, code, state, happened_at, evidence, asked_by_id,"
        f" decision_note) SELECT gen_random_uuid(), site_id, allocation_id, {code}, 'asked', {happened_at}, {evidence},"
        " asked_by_id, '' FROM vesting_milestone"
    )


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE vesting_release SET unlock_at = now() WHERE milestone <> ''", "release_frozen"),
        ("UPDATE vesting_release SET milestone = ''", "release_milestone_frozen"),
        ("UPDATE vesting_milestone SET evidence = 'x'", "milestone_frozen"),
        (another("code"), "milestone_once"),
        (another(evidence="''"), "milestone_has_evidence"),
        (another(happened_at="now() + interval '1 hour'"), "milestone_has_happened"),
        ("UPDATE vesting_milestone SET state = 'declined'", "milestone_decided_by"),
        (DECLINED + "state = 'asked'", "milestone_states"),
        (DECLINED + "decided_at = now() + interval '1 s'", "milestone_decided_once"),
        (
            "INSERT INTO vesting_release (id, site_id, schedule_id, allocation_id, number, unlock_at,"
            " amount_base_units, status, tx_hash) SELECT gen_random_uuid(), site_id, schedule_id, allocation_id,"
            " 99, unlock_at, 1, 'locked', '' FROM vesting_release WHERE milestone <> ''",
            "release_undated_waits_for_a_milestone",
        ),
        (
            "UPDATE vesting_milestone SET state = 'recorded', decided_at = now(), decided_by_id = asked_by_id",
            "milestone_second_person",
        ),
        (
            "UPDATE vesting_milestone SET state = 'recorded', decided_at = now(), decided_by_id ="
            " (SELECT id FROM accounts_membership m WHERE m.id <> asked_by_id LIMIT 1)",
            "milestone_complete",
        ),
        (
            "WITH old AS (UPDATE vesting_release SET status = 'replaced' WHERE milestone <> '' RETURNING *)"
            " INSERT INTO vesting_release (id, site_id, schedule_id, allocation_id, number, unlock_at,"
            " amount_base_units, status, tx_hash, split_of_id, milestone) SELECT gen_random_uuid(), site_id,"
            " schedule_id, allocation_id, 99, now(), amount_base_units, 'locked', '', id, milestone FROM old",
            "release_reached_by_its_record",
        ),
    ],
)
def test_raw_sql_cannot_bring_an_event_about(statement: str, rule: str) -> None:
    grant = Grant()
    grant.ask()
    with pytest.raises(IntegrityError) as refused, in_site(grant.site), connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert refused.value.__cause__.diag.constraint_name == rule  # type: ignore[union-attr]


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}


def test_the_api_asks_and_decides() -> None:
    grant = Grant()
    address = f"{STAFF}allocations/{grant.allocation.id}/milestones/"
    body = {"code": "mainnet", "evidence": "block 1", "happened_at": "2026-01-01T00:00:00Z"}
    asked = api_of(grant.one).post(address, body, headers=key())
    assert asked.status_code == 201, asked.json()
    listed = api_of(grant.two).get(f"{STAFF}milestones/?state=asked").json()["results"]
    assert [each["id"] for each in listed] == [asked.json()["id"]]
    way = f"{STAFF}milestones/{asked.json()['id']}/approve/"
    assert api_of(grant.one).post(way, {"note": "me"}, headers=key()).json()["code"] == "second_person_needed"
    assert api_of(grant.two).post(way, {"note": "seen"}, headers=key()).json()["state"] == "recorded"


def test_the_admin_asks_and_decides() -> None:
    grant = Grant()
    asker, decider = (entered(staff_of(grant.site, role=Role.APPROVER)) for _ in range(2))
    sent = {"ids": grant.allocation.id, "code": "mainnet", "evidence": "x", "happened_at": "2026-01-01 00:00"}
    asker.post("/admin/vesting/allocation/ask/milestone/", sent)
    with in_site(grant.site):
        asked = Milestone.objects.get()
    page = decider.get(f"/admin/vesting/milestone/ask/approve-milestone/?ids={asked.id}").content.decode()
    assert "Waits for mainnet" in page and "1 " in page
    decider.post("/admin/vesting/milestone/ask/approve-milestone/", {"ids": asked.id, "note": "seen"})
    assert grant.states()[1] == ("locked", WHOLE, False)


def terms(segments: list[Any], **others: Any) -> Any:
    return terms_read({"version": 2, "time_zone": "UTC", "vesting": {"segments": segments}} | others)


@pytest.mark.parametrize(
    ("segments", "others", "code"),
    [
        ([MILESTONE | {"code": "Main net"}], {}, "milestone_code"),
        ([MILESTONE | {"share": {"basis_points": 5000}}] * 2, {}, "milestone_twice"),
        ([MILESTONE], {"unlock": {"at_start": "rest"}}, "milestone_with_unlock"),
        ([MILESTONE | {"cliff": None}], {}, "unknown"),
    ],
)
def test_terms_that_are_unclear_are_refused(segments: list[Any], others: Any, code: str) -> None:
    with pytest.raises(TermsError) as refused:
        terms(segments, **others)
    assert refused.value.code == code


def test_parts_of_milestones_come_last_and_sum_to_the_whole() -> None:
    monthly = {"kind": "calendar", "share": "rest", "parts": 2, "period": {"count": 1, "unit": "month"}}
    mixed = terms([MILESTONE | {"share": {"basis_points": 2500}}, monthly])
    parts = accrual_of(1_001, mixed, timezone.now()).parts()
    assert [(part.index, part.amount_base_units, part.milestone) for part in parts] == [
        (1, 375, ""),
        (2, 376, ""),
        (3, 250, "mainnet"),
    ]
