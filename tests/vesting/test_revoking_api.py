"""/api/v1/staff/vesting/.../revocations/: who may, once for each key, the list, and the same in the admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Role
from apps.vesting.revoking_models import Revocation
from tests.admin.rows import entered, staff_of
from tests.clients import api_of
from tests.factories import in_site, make_member
from tests.vesting.revoking_scene import Revoking

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
LIST = "/api/v1/staff/vesting/revocations/"


class Desk(Revoking):
    """The scene and its staff at the API."""

    def __init__(self) -> None:
        super().__init__()
        self.people = {role: make_member(self.site, role) for role in Role}

    def post(self, role: Role, path: str, body: dict[str, Any], key: str | None = None) -> Any:
        return api_of(self.people[role]).post(path, body, headers={"Idempotency-Key": key or uuid4().hex})

    def request_revocation(self, role: Role = Role.OPERATOR, key: str | None = None, **fields: Any) -> Any:
        path = f"/api/v1/staff/vesting/allocations/{self.allocation.id}/revocations/"
        return self.post(role, path, {"scope": "unvested", "reason": "left", **fields}, key)

    def decide(self, role: Role, answer: Any, what: str) -> Any:
        return self.post(role, f"{LIST}{answer.json()['id']}/{what}/", {"note": "seen"})


def in_ten_days() -> str:
    return f"{timezone.now() + timedelta(days=10):%Y-%m-%dT%H:%M:%SZ}"


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_the_same_key_revokes_once_and_answers_the_same() -> None:
    desk = Desk()
    first, again = (desk.request_revocation(key="one") for _ in range(2))
    assert (first.status_code, first.json()["state"]) == (201, "done")
    assert first.json()["revoked_base_units"] == str(desk.unvested)
    assert again.json() == first.json() and again["Idempotency-Replayed"] == "true"
    assert code(desk.request_revocation(key="one", reason="another")) == (422, "idempotency_key_reused")
    assert code(desk.request_revocation(key="two")) == (409, "nothing_to_revoke")


def test_all_is_asked_for_by_one_and_approved_by_another() -> None:
    desk = Desk()
    asked = desk.request_revocation(Role.APPROVER, scope="all")
    assert (asked.json()["state"], asked.json()["revoked_base_units"]) == ("asked", "0")
    assert code(desk.decide(Role.OPERATOR, asked, "approve")) == (403, "permission_denied")
    assert code(desk.decide(Role.APPROVER, asked, "approve")) == (403, "second_person_needed")
    assert desk.decide(Role.APPROVER, asked, "decline").json()["state"] == "declined"


@pytest.mark.parametrize("role", [Role.BUYER, Role.AUDITOR])
def test_others_may_not(role: Role) -> None:
    desk = Desk()
    assert code(desk.request_revocation(role)) == (403, "permission_denied")


def test_a_later_one_is_listed_and_stopped() -> None:
    desk = Desk()
    soon = in_ten_days()
    asked = desk.request_revocation(effective_at=soon)
    assert (asked.status_code, asked.json()["state"]) == (201, "scheduled")
    [listed] = api_of(desk.people[Role.AUDITOR]).get(LIST, {"state": "scheduled"}).json()["results"]
    assert (listed["id"], listed["effective_at"]) == (asked.json()["id"], soon)
    assert desk.decide(Role.OPERATOR, asked, "stop").json()["state"] == "stopped"
    assert api_of(desk.people[Role.AUDITOR]).get(LIST, {"state": "scheduled"}).json()["results"] == []


def test_the_list_asks_as_much_for_many_as_for_one() -> None:
    desk = Desk()

    def questions() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert api_of(desk.people[Role.OPERATOR]).get(LIST).status_code == 200
        return len(queries)

    desk.decide(Role.OPERATOR, desk.request_revocation(effective_at=in_ten_days()), "stop")
    questions()  # the first request also finds its site
    before = questions()
    desk.request_revocation()
    assert questions() == before


def test_in_the_admin_one_asks_and_another_approves() -> None:
    desk = Desk()
    ids = {"ids": str(desk.allocation.id)}
    operator = entered(staff_of(desk.site), desk.site)
    ask = reverse("admin:vesting_allocation_ask", args=["revoke-all"])
    assert operator.get(ask, ids).status_code == 200
    assert operator.post(ask, {**ids, "reason": "fraud"}).status_code == 302
    with in_site(desk.site):
        asked = Revocation.objects.get()
    approve = reverse("admin:vesting_revocation_ask", args=["approve-revocation"])
    fields = {"ids": str(asked.id), "note": "seen"}
    assert operator.post(approve, fields).status_code == 403
    approver = entered(staff_of(desk.site, role=Role.APPROVER), desk.site)
    assert approver.post(approve, fields).status_code == 302
    assert desk.seen(asked).state == "done"
