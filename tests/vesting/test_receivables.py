"""Receivables: paid back with evidence or written off, by two people, never more than is owed; what SQL refuses."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import Role
from apps.audit.models import AuditEvent
from apps.core.context import acting_as
from apps.core.ids import uuid7
from apps.core.problems import Problem
from apps.payouts.models import Payout
from apps.sites.scope import bind_site
from apps.vesting import receivables
from apps.vesting.models import Receivable
from apps.vesting.receivable_models import ReceivableSettlement
from apps.vesting.receivables import settlement_ask
from tests.admin.rows import entered, fill_site, staff_of
from tests.clients import api_of
from tests.factories import in_site, make_member

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
LIST = "/api/v1/staff/receivables/"
SETTLEMENTS = "/api/v1/staff/receivable-settlements/"
OWED = 1000
ASKED_BEFORE = 1  # fill_site's own settlement waits
HASH = "0x" + "aB" * 32


class Desk:
    """A site in which 1000 base units are owed back, and its staff."""

    def __init__(self) -> None:
        self.site = fill_site("NA")
        self.people = {role: make_member(self.site, role) for role in Role}
        with in_site(self.site):
            self.receivable = Receivable.objects.get()
            assert self.receivable.amount_base_units == OWED

    def post(self, role: Role, path: str, body: dict[str, Any], key: str | None = None) -> Any:
        return api_of(self.people[role]).post(path, body, headers={"Idempotency-Key": key or uuid4().hex})

    def ask(
        self, amount: int = 400, *, role: Role = Role.OPERATOR, key: str | None = None, **fields: Any
    ) -> Any:
        body = {"kind": "repaid", "amount_base_units": str(amount), "note": "came back", "reference": HASH}
        return self.post(role, f"{LIST}{self.receivable.id}/settlements/", {**body, **fields}, key)

    def write_off(self, amount: int, role: Role = Role.OPERATOR) -> Any:
        body = {"kind": "written_off", "amount_base_units": str(amount), "note": "gone"}
        return self.post(role, f"{LIST}{self.receivable.id}/settlements/", body)

    def decide(self, answer: Any, what: str = "approve", role: Role = Role.APPROVER) -> Any:
        return self.post(role, f"{SETTLEMENTS}{answer.json()['id']}/{what}/", {"note": "seen too"})

    def shown(self) -> dict[str, Any]:
        [row] = api_of(self.people[Role.AUDITOR]).get(LIST).json()["results"]
        return dict(row)


@pytest.fixture
def desk(database: None, bells_lost: None) -> Desk:
    return Desk()


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_part_is_paid_back_and_the_rest_written_off_by_two_people(desk: Desk) -> None:
    assert desk.decide(desk.ask(400)).json()["state"] == "done"
    assert desk.decide(desk.write_off(599)).json()["state"] == "done"
    sums = {name: desk.shown()[f"{name}_base_units"] for name in ("repaid", "written_off", "waiting", "open")}
    assert sums == {"repaid": "400", "written_off": "599", "waiting": "1", "open": "1"}


def test_an_approver_does_not_approve_what_they_asked_for(desk: Desk) -> None:
    assert code(desk.decide(desk.ask(role=Role.APPROVER))) == (403, "second_person_needed")


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR, Role.BUYER])
def test_only_an_approver_approves(desk: Desk, role: Role) -> None:
    assert code(desk.decide(desk.ask(), role=role)) == (403, "permission_denied")


def test_what_is_decided_stays_decided(desk: Desk) -> None:
    asked = desk.ask()
    desk.decide(asked)
    assert code(desk.decide(asked, "decline")) == (409, "settlement_decided")


def test_what_waits_counts_and_what_was_declined_does_not(desk: Desk) -> None:
    asked = desk.write_off(OWED - ASKED_BEFORE)
    assert code(desk.write_off(1)) == (409, "more_than_owed")
    desk.decide(asked, "decline")
    assert desk.write_off(OWED - ASKED_BEFORE).status_code == 201


def test_the_same_evidence_in_another_case_settles_nothing_more(desk: Desk) -> None:
    desk.ask(1)
    assert code(desk.ask(1, reference=HASH.lower())) == (409, "evidence_used")


def test_the_transaction_of_a_payout_is_no_evidence_of_a_return(desk: Desk) -> None:
    with in_site(desk.site):
        tx_hash = Payout.objects.filter(status="paid").values_list("tx_hash", flat=True)[0]
    assert code(desk.ask(1, reference=tx_hash)) == (409, "evidence_used")


def test_a_hash_among_words_is_no_evidence(desk: Desk) -> None:
    assert code(desk.ask(1, reference=f"{HASH} (came back)")) == (400, "evidence_unclear")


@pytest.mark.parametrize("spoil", [str.upper, lambda text: f"{text}.", lambda text: f"see {text}"])
def test_a_hash_that_does_not_stand_alone_is_refused_by_the_table(desk: Desk, spoil: Any) -> None:
    asked = desk.ask(1).json()
    with pytest.raises(IntegrityError, match="receivablesettlement_hash_alone"), in_site(desk.site):
        row = ReceivableSettlement.objects.get(id=asked["id"])
        row.id, row.reference = uuid7(), spoil("0x" + "ab" * 32)
        row.save(force_insert=True)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"kind": "written_off"}, "evidence_missing"),
        ({"amount_base_units": "0"}, "invalid"),
        ({"amount_base_units": str(2**256)}, "invalid"),
        ({"amount_base_units": "-1"}, "invalid"),
    ],
)
def test_what_cannot_be_meant_is_refused(desk: Desk, fields: dict[str, Any], refusal: str) -> None:
    answer = desk.ask(**fields)
    assert answer.status_code == 400
    assert refusal in answer.content.decode()


def test_the_same_key_asks_once(desk: Desk) -> None:
    first, again = (desk.ask(key="key-1") for _ in range(2))
    assert (again.status_code, again.json()) == (201, first.json())


def test_a_decision_leaves_an_audit_row_with_both_people(desk: Desk) -> None:
    asked = desk.ask()
    desk.decide(asked)
    with in_site(desk.site):
        rows = AuditEvent.objects.filter(row_id=asked.json()["id"]).order_by("id")
        made, decided = [(row.actor_id, (row.after or {})["state"]) for row in rows]
    assert made == (str(desk.people[Role.OPERATOR].id), "asked")
    assert decided == (str(desk.people[Role.APPROVER].id), "done")


def test_the_list_asks_a_bounded_number_of_questions(desk: Desk) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert api_of(desk.people[Role.OPERATOR]).get(LIST).status_code == 200
        return len(queries)

    questions()  # the first request also finds its site
    before = questions()
    with in_site(desk.site):
        row = Receivable.objects.get()
        Receivable.objects.create(
            allocation_id=row.allocation_id, amount_base_units=1, cause_kind="refund", cause_id=uuid4()
        )
    assert questions() == before


def test_the_same_two_people_in_the_admin(desk: Desk) -> None:
    operator, approver = (entered(staff_of(desk.site, role=role)) for role in (Role.OPERATOR, Role.APPROVER))
    page = operator.get(reverse("admin:vesting_receivable_change", args=[desk.receivable.id]))
    assert "ask/paid-back/" in page.content.decode()
    asked = {"ids": desk.receivable.id, "note": "seen", "reference": HASH, "amount_base_units": "400"}
    operator.post(reverse("admin:vesting_receivable_ask", args=["paid-back"]), asked)
    with in_site(desk.site):
        settlement = ReceivableSettlement.objects.get(kind="repaid")
    decide = reverse("admin:vesting_receivablesettlement_ask", args=["approve-settlement"])
    assert operator.post(decide, {"ids": settlement.id}).status_code == 403
    assert HASH.lower() in approver.get(decide, {"ids": str(settlement.id)}).content.decode()
    approver.post(decide, {"ids": settlement.id, "note": "seen too"})
    with in_site(desk.site):
        settlement.refresh_from_db()
    assert settlement.state == "done"


RACERS = 4


def race(desk: Desk) -> tuple[list[str], int]:
    """Four people each write off two thirds at the same moment; what each was told, and the base units counted."""
    start, told = threading.Barrier(RACERS, timeout=20), []

    def ask() -> None:
        try:
            with acting_as("user", "racer"), bind_site(desk.site.id):
                start.wait()
                settlement_ask(
                    receivable_id=desk.receivable.id,
                    kind="written_off",
                    amount_base_units=600,
                    note="gone",
                    asked_by_id=desk.people[Role.OPERATOR].id,
                )
            told.append("asked")
        except Problem as problem:
            told.append(problem.code)
        except IntegrityError as refused:
            told.append(str(refused.__cause__.diag.constraint_name))  # type: ignore[union-attr]
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with in_site(desk.site):
        rows = ReceivableSettlement.objects.filter(state__in=["asked", "done"])
        return sorted(told), sum(row.amount_base_units for row in rows)


def test_four_at_once_settle_no_more_than_is_owed(desk: Desk) -> None:
    assert race(desk) == (["asked", *["more_than_owed"] * 3], 600 + ASKED_BEFORE)


def without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """All have read the sum before any has written."""
    read = threading.Barrier(RACERS, timeout=20)
    monkeypatch.setattr(receivables, "_locked", lambda row_id: Receivable.objects.get(id=row_id))
    monkeypatch.setattr(receivables, "_refuse_used", lambda _reference: None)
    made = ReceivableSettlement.save

    def save(self: ReceivableSettlement, **options: Any) -> None:
        read.wait()
        made(self, **options)

    monkeypatch.setattr(ReceivableSettlement, "save", save)


def test_without_the_services_lock_postgresql_still_refuses(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_lock(monkeypatch)
    assert race(desk) == (["asked", *["receivablesettlement_within"] * 3], 600 + ASKED_BEFORE)


def test_control_without_lock_and_rule_more_is_settled_than_is_owed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, admin_connection: Any
) -> None:
    without_lock(monkeypatch)
    trigger = "TRIGGER receivablesettlement_within"
    with admin_connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE vesting_receivablesettlement DISABLE {trigger}")
        try:
            assert race(desk) == (["asked"] * 4, 4 * 600 + ASKED_BEFORE)
        finally:
            cursor.execute(f"ALTER TABLE vesting_receivablesettlement ENABLE {trigger}")
