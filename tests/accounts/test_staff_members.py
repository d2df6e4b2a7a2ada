"""/api/v1/staff/members/: who belongs to the site, and who may do what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from rest_framework.test import APIClient

from apps.accounts.models import Membership
from apps.audit.models import AuditEvent
from tests.clients import api_of
from tests.factories import in_site, make_member, make_site

pytestmark = pytest.mark.usefixtures("database")
MEMBERS = "/api/v1/staff/members/"


def role_address(member: Membership) -> str:
    return f"{MEMBERS}{member.id}/role/"


@pytest.mark.parametrize("role", ["operator", "approver", "auditor"])
def test_staff_read_the_members_of_their_site(role: str) -> None:
    site = make_site("NA")
    reader, buyer = make_member(site, role), make_member(site)
    make_member(make_site("ASIA"))

    rows = api_of(reader).get(MEMBERS).json()["results"]

    assert [row["id"] for row in rows] == [str(buyer.id), str(reader.id)]


def test_a_buyer_may_not_read_them() -> None:
    answer = api_of(make_member(make_site())).get(MEMBERS)

    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_the_list_is_filtered_by_role_and_paged() -> None:
    site = make_site()
    auditor = make_member(site, "auditor")
    buyers = [make_member(site) for _ in range(3)]

    first = api_of(auditor).get(MEMBERS, {"role": "buyer", "limit": "2"}).json()
    rest = api_of(auditor).get(MEMBERS, {"role": "buyer", "cursor": first["next"]}).json()

    assert [row["id"] for row in first["results"] + rest["results"]] == [str(b.id) for b in reversed(buyers)]


def test_an_unknown_role_is_refused_in_the_filter_and_in_the_change() -> None:
    site = make_site()
    approver, buyer = make_member(site, "approver"), make_member(site)

    filtered = api_of(approver).get(MEMBERS, {"role": "king"})
    changed = api_of(approver).post(role_address(buyer), {"role": "king"})

    assert [filtered.status_code, changed.status_code] == [400, 400]
    assert changed.json()["errors"][0]["field"] == "role"


def test_an_approver_changes_a_role_and_history_says_who() -> None:
    site = make_site()
    approver, buyer = make_member(site, "approver"), make_member(site)

    answer = api_of(approver).post(role_address(buyer), {"role": "operator"})

    assert (answer.status_code, answer.json()["role"]) == (200, "operator")
    with in_site(site):
        event = AuditEvent.objects.get(row_id=buyer.id, action="update")
    assert (event.actor_kind, event.actor_id) == ("user", str(approver.id))
    assert (event.before or {})["role"] == "buyer"
    assert (event.after or {})["role"] == "operator"


@pytest.mark.parametrize("role", ["buyer", "operator", "auditor"])
def test_nobody_else_changes_roles(role: str) -> None:
    site = make_site()
    member, other = make_member(site, role), make_member(site)

    assert api_of(member).post(role_address(other), {"role": "approver"}).status_code == 403


def test_nobody_changes_their_own_role() -> None:
    approver = make_member(make_site(), "approver")

    answer = api_of(approver).post(role_address(approver), {"role": "buyer"})

    assert (answer.status_code, answer.json()["code"]) == (403, "own_role")


def test_a_member_of_another_site_is_not_found() -> None:
    approver = make_member(make_site("NA"), "approver")
    foreign = make_member(make_site("ASIA"))

    answer = api_of(approver).post(role_address(foreign), {"role": "approver"})

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_two_approvers_who_demote_each_other_do_not_both_succeed() -> None:
    site = make_site()
    one, two = make_member(site, "approver"), make_member(site, "approver")
    attempts = [(api_of(one), two), (api_of(two), one)]

    def demote(attempt: tuple[APIClient, Membership]) -> int:
        client, target = attempt
        try:
            return int(client.post(role_address(target), {"role": "buyer"}).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(demote, attempts))

    assert sorted(codes) == [200, 403]
