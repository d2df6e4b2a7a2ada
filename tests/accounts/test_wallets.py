"""/api/v1/wallets/: the address that tokens go to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from apps.accounts.models import Wallet
from tests.clients import api, api_of
from tests.factories import in_site, make_address, make_member, make_site, make_wallet

pytestmark = pytest.mark.usefixtures("database")
WALLETS = "/api/v1/wallets/"
ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # published in EIP-55


def test_an_address_is_registered_with_its_checksum() -> None:
    member = make_member(make_site())

    answer = api_of(member).post(WALLETS, {"address": ADDRESS.lower()})

    assert answer.status_code == 201
    assert (answer.json()["address"], answer.json()["is_active"]) == (ADDRESS, True)


def test_the_same_address_again_is_the_same_wallet() -> None:
    client = api_of(make_member(make_site()))
    first = client.post(WALLETS, {"address": ADDRESS}).json()

    again = client.post(WALLETS, {"address": ADDRESS.lower()})

    assert (again.status_code, again.json()) == (200, first)


def test_another_address_is_refused_while_one_is_active() -> None:
    member = make_member(make_site())
    make_wallet(member)

    answer = api_of(member).post(WALLETS, {"address": ADDRESS})

    assert (answer.status_code, answer.json()["code"]) == (409, "wallet_exists")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "address_checksum"),
        ("0x" + "0" * 40, "address_zero"),
        ("0x12", "address_length"),
        ("0x" + "g" * 40, "address_not_hex"),
        (f" {ADDRESS}", "address_length"),
        (f"{ADDRESS[:-1]}\x00", "address_not_hex"),
        ("x" * 65, "address_length"),
        ("", "blank"),
        (None, "null"),
        ({"a": 1}, "invalid"),
    ],
)
def test_what_is_no_address_is_named(address: Any, code: str) -> None:
    answer = api_of(make_member(make_site())).post(WALLETS, {"address": address})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert code in [(error["code"]) for error in answer.json()["errors"] if error["field"] == "address"]


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"\x00"'])
def test_a_body_that_is_no_object_is_refused(body: str) -> None:
    client = api_of(make_member(make_site()))

    answer = client.generic("POST", WALLETS, body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_two_registrations_at_once_leave_one_wallet() -> None:
    member = make_member(make_site())
    client = api_of(member)

    def register(address: str) -> int:
        try:
            return int(client.post(WALLETS, {"address": address}).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(register, [make_address() for _ in range(4)]))

    assert sorted(codes) == [201, 409, 409, 409]
    with in_site(member.site):
        assert Wallet.objects.count() == 1


def test_the_list_pages_through_own_wallets_only() -> None:
    site = make_site()
    member = make_member(site)
    mine = [make_wallet(member, is_active=active) for active in (True, False, False)]
    make_wallet(make_member(site))
    client = api_of(member)

    first = client.get(WALLETS, {"limit": 2}).json()
    rest = client.get(WALLETS, {"limit": 2, "cursor": first["next"]}).json()

    listed = [row["id"] for row in first["results"] + rest["results"]]
    assert listed == [str(wallet.id) for wallet in reversed(mine)]
    assert rest["next"] is None


def test_another_site_shows_nothing_of_it() -> None:
    north, asia = make_site("NA"), make_site("ASIA")
    make_wallet(make_member(north, subject="auth0|both"))
    make_member(asia, subject="auth0|both")

    assert api(asia, "auth0|both").get(WALLETS).json()["results"] == []


def test_a_stranger_registers_nothing() -> None:
    answer = api(make_site(), "auth0|stranger").post(WALLETS, {"address": ADDRESS})

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_site")
