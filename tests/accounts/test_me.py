"""/api/v1/me/: joining a site, and reading one's place in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from apps.accounts.models import Identity, Membership
from apps.audit.models import AuditEvent
from tests.clients import api, api_of
from tests.factories import in_site, make_identity, make_member, make_site, make_wallet

pytestmark = pytest.mark.usefixtures("database")
ME = "/api/v1/me/"
BUYER = "auth0|buyer"


def test_joining_makes_a_buyer_without_a_password() -> None:
    site = make_site()

    answer = api(site, BUYER).post(ME)

    assert answer.status_code == 201
    assert answer.json() | {"id": "", "created_at": ""} == {
        "id": "",
        "subject": BUYER,
        "role": "buyer",
        "is_active": True,
        "created_at": "",
        "wallet": None,
        "notice_email": "",
    }
    identity = Identity.objects.get(subject=BUYER)
    assert (identity.has_usable_password(), identity.is_staff) == (False, False)


def test_joining_again_changes_nothing() -> None:
    site = make_site()
    first = api(site, BUYER).post(ME).json()

    again = api(site, BUYER).post(ME)

    assert (again.status_code, again.json()) == (200, first)


def test_one_person_joins_two_sites_with_one_identity() -> None:
    north, asia = make_site("NA"), make_site("ASIA")

    members = [api(site, BUYER).post(ME).json()["id"] for site in (north, asia)]

    assert len(set(members)) == 2
    assert Identity.objects.count() == 1


def test_the_new_member_is_the_actor_of_the_history() -> None:
    site = make_site()
    member_id = api(site, BUYER).post(ME).json()["id"]

    with in_site(site):
        event = AuditEvent.objects.get(row_id=member_id)
    assert (event.action, event.actor_kind, event.actor_id) == ("insert", "user", member_id)


def test_a_closed_site_takes_nobody_and_keeps_no_trace() -> None:
    site = make_site(registration_open=False)

    answer = api(site, BUYER).post(ME)

    assert (answer.status_code, answer.json()["code"]) == (403, "registration_closed")
    assert not Identity.objects.exists()


def test_a_closed_site_still_knows_its_members() -> None:
    site = make_site(registration_open=False)
    member = make_member(site)

    assert api_of(member).post(ME).status_code == 200


def test_a_deactivated_membership_cannot_be_joined_again() -> None:
    site = make_site()
    make_member(site, subject=BUYER, is_active=False)

    answer = api(site, BUYER).post(ME)

    assert (answer.status_code, answer.json()["code"]) == (403, "membership_inactive")


def test_a_deactivated_identity_joins_no_further_site() -> None:
    make_identity(BUYER, is_active=False)
    site = make_site()

    answer = api(site, BUYER).post(ME)

    assert (answer.status_code, answer.json()["code"]) == (403, "identity_inactive")
    with in_site(site):
        assert not Membership.objects.exists()


def test_many_joins_at_once_make_one_member() -> None:
    site = make_site()
    client = api(site, BUYER)

    def join(_: int) -> Any:
        try:
            return client.post(ME)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(join, range(6)))

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_reading_shows_role_and_wallet() -> None:
    member = make_member(make_site(), "operator")
    wallet = make_wallet(member)

    me = api_of(member).get(ME).json()

    assert (me["role"], me["wallet"]["address"]) == ("operator", wallet.address)


@pytest.mark.parametrize("foreign", [True, False])
def test_a_stranger_sees_no_site(foreign: bool) -> None:
    site = make_site("NA")
    if foreign:
        make_member(make_site("ASIA"), subject=BUYER)

    answer = api(site, BUYER).get(ME)

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_site")


@pytest.mark.parametrize("method", ["get", "post"])
def test_without_a_token_nothing_is_said(method: str) -> None:
    answer = getattr(api(make_site()), method)(ME)

    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")


def test_without_a_site_it_is_a_problem() -> None:
    assert api(None, BUYER).post(ME).json()["code"] == "no_site"


def test_an_unknown_site_is_a_problem() -> None:
    client = api(None, BUYER)

    answer = client.post(ME, HTTP_X_SITE_CODE="NOWHERE")

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_site")
