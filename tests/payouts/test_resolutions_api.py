"""/api/v1/staff/held-payouts/ and /payout-resolutions/: who may, once for each key, and the same in the admin."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import Role
from apps.payouts.resolution_models import PayoutResolution
from tests.admin.rows import entered, fill_site, make_held_payout, staff_of
from tests.clients import api_of
from tests.factories import in_site, make_member
from tests.payouts.held_scenes import EVIDENCE

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
HELD = "/api/v1/staff/held-payouts/"
RESOLUTIONS = "/api/v1/staff/payout-resolutions/"


class Desk:
    """A site with held payouts, and its staff."""

    def __init__(self) -> None:
        self.site = fill_site("NA")
        self.payout = make_held_payout(self.site)
        self.people = {role: make_member(self.site, role) for role in Role}

    def post(self, role: Role, path: str, body: dict[str, Any], key: str | None = None) -> Any:
        return api_of(self.people[role]).post(path, body, headers={"Idempotency-Key": key or uuid4().hex})

    def ask(self, role: Role = Role.OPERATOR, key: str | None = None, **fields: Any) -> Any:
        body = {"action": "settle", "note": "block explorer", "tx_hash": EVIDENCE, **fields}
        return self.post(role, f"{HELD}{self.payout.id}/resolutions/", body, key)

    def decide(self, role: Role, answer: Any, what: str = "approve", note: str = "seen too") -> Any:
        return self.post(role, f"{RESOLUTIONS}{answer.json()['id']}/{what}/", {"note": note})


@pytest.fixture
def desk(database: None, bells_lost: None) -> Desk:
    return Desk()


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_held_payouts_are_listed_with_their_reason_in_words(desk: Desk) -> None:
    rows = api_of(desk.people[Role.AUDITOR]).get(HELD).json()["results"]
    shown = next(row for row in rows if row["id"] == str(desk.payout.id))
    assert {row["status"] for row in rows} == {"held"}
    assert shown["hold_code"] == "amount_differs" and "another amount" in shown["hold_reason"]


def test_the_list_of_held_payouts_asks_a_bounded_number_of_questions(desk: Desk) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert api_of(desk.people[Role.OPERATOR]).get(HELD).status_code == 200
        return len(queries)

    questions()  # the first request also finds its site
    before = questions()
    make_held_payout(desk.site)
    assert questions() == before


def test_one_asks_another_approves_and_the_payout_is_paid(desk: Desk) -> None:
    asked = desk.ask()
    assert (asked.status_code, asked.json()["state"]) == (201, "asked")
    approved = desk.decide(Role.APPROVER, asked)
    assert (approved.status_code, approved.json()["state"], approved.json()["result"]) == (
        200,
        "done",
        "paid",
    )
    assert approved.json()["decided_by_id"] == str(desk.people[Role.APPROVER].id)


def test_an_approver_does_not_approve_what_they_asked_for(desk: Desk) -> None:
    assert code(desk.decide(Role.APPROVER, desk.ask(Role.APPROVER))) == (403, "second_person_needed")


def test_an_operator_approves_nothing(desk: Desk) -> None:
    assert code(desk.decide(Role.OPERATOR, desk.ask(Role.APPROVER))) == (403, "permission_denied")


def test_the_same_key_asks_once(desk: Desk) -> None:
    first, again = (desk.ask(key="key-1") for _ in range(2))
    assert (again.status_code, again.json()) == (201, first.json())
    with in_site(desk.site):
        assert PayoutResolution.objects.filter(payout=desk.payout).count() == 1


def test_a_decline_is_a_row_with_its_reason(desk: Desk) -> None:
    declined = desk.decide(Role.APPROVER, desk.ask(), "decline", note="not this transaction")
    assert (declined.json()["state"], declined.json()["decision_note"]) == (
        "declined",
        "not this transaction",
    )
    listed = api_of(desk.people[Role.AUDITOR]).get(RESOLUTIONS, {"state": "declined"}).json()["results"]
    assert [row["id"] for row in listed] == [declined.json()["id"]]


@pytest.mark.parametrize("tx_hash", ["0x12", "ab" * 33, "0x" + "zz" * 32])
def test_what_is_no_hash_is_no_evidence(desk: Desk, tx_hash: str) -> None:
    assert desk.ask(tx_hash=tx_hash).status_code == 400


def test_the_same_two_people_in_the_admin(desk: Desk) -> None:
    operator, approver = (entered(staff_of(desk.site, role=role)) for role in (Role.OPERATOR, Role.APPROVER))
    page = operator.get(reverse("admin:payouts_payout_change", args=[desk.payout.id])).content.decode()
    assert "ask/settle-by-evidence/" in page and "another amount" in page
    asked = {"ids": desk.payout.id, "note": "seen", "tx_hash": EVIDENCE}
    operator.post(reverse("admin:payouts_payout_ask", args=["settle-by-evidence"]), asked)
    with in_site(desk.site):
        resolution = PayoutResolution.objects.get(payout=desk.payout)
    decide = reverse("admin:payouts_payoutresolution_ask", args=["approve-resolution"])
    assert operator.post(decide, {"ids": resolution.id}).status_code == 403
    assert EVIDENCE in approver.get(decide, {"ids": str(resolution.id)}).content.decode()
    approver.post(decide, {"ids": resolution.id, "note": "seen too"})
    with in_site(desk.site):
        resolution.refresh_from_db()
        assert (resolution.state, resolution.payout.status) == ("done", "paid")
