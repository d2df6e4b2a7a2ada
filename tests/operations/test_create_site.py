"""`manage.py create_site`: a whole site or none."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from apps.accounts.models import Identity, Membership
from apps.sites.models import Asset, Site
from tests.factories import in_site, make_site

pytestmark = pytest.mark.usefixtures("database")
FLAGS: dict[str, Any] = {
    "code": "NORTH",
    "name": "North sale",
    "host": "North.Example.COM",
    "currencies": "usd, EUR",
    "asset_code": "NTH",
    "asset_name": "North token",
    "asset_decimals": "6",
    "custody_asset_id": "NTH_TEST",
    "login": "anna",
}


def create(*words: str, **changes: Any) -> str:
    out = StringIO()
    flags = {name: value for name, value in (FLAGS | changes).items() if value is not None}
    call_command("create_site", *words, no_input=True, stdout=out, **flags)
    return out.getvalue()


def test_flags_make_site_asset_and_login() -> None:
    said = create()

    site = Site.objects.get(code="NORTH")
    assert (site.host, site.currencies, site.registration_open) == ("north.example.com", ["USD", "EUR"], True)
    with in_site(site):
        asset, member = Asset.objects.get(), Membership.objects.get()
        assert (asset.code, asset.decimals, asset.custody_vault_id) == ("NTH", 6, "0")
        assert (member.identity.subject, member.role) == ("anna", "approver")
    password = said.rstrip().rpartition(" ")[2]
    assert authenticate(username="anna", password=password)


def test_further_members_are_named_by_role_and_subject() -> None:
    create("--member=operator=auth0|ops", "--member=auditor=auth0|eyes")

    with in_site(Site.objects.get(code="NORTH")):
        roles = dict(Membership.objects.values_list("identity__subject", "role"))
    assert roles == {"anna": "approver", "auth0|ops": "operator", "auth0|eyes": "auditor"}


def test_a_login_of_another_site_keeps_its_password() -> None:
    password = create().rstrip().rpartition(" ")[2]

    said = create(code="SOUTH", host=None)

    assert "keeps its password" in said
    assert authenticate(username="anna", password=password)


def test_every_missing_flag_is_named() -> None:
    with pytest.raises(CommandError) as refusal:
        create(code=None, login=None, asset_code=None)

    assert str(refusal.value) == "Missing: --code, --asset-code, --login"


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "lower"},
        {"code": "TAKEN"},
        {"currencies": ""},
        {"currencies": "US"},
        {"currencies": "USD,usd"},
        {"asset_decimals": "37"},
        {"asset_decimals": "many"},
        {"chain_id": "-1"},
        {"contract_address": "0x12"},
        {"login_role": "king"},
        {"login": "auth0|token-user"},
    ],
)
def test_what_is_refused_leaves_nothing_behind(changes: dict[str, Any]) -> None:
    make_site("TAKEN")
    Identity.objects.create_user("auth0|token-user")

    with pytest.raises(CommandError):
        create(**changes)

    assert list(Site.objects.values_list("code", flat=True)) == ["TAKEN"]
    assert Identity.objects.count() == 1


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Lines that a person types; every further one is empty."""
    lines: list[str] = []
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", lambda _question: lines.pop(0) if lines else "")
    yield lines


def test_what_no_flag_says_is_asked_for(typed: list[str]) -> None:
    typed += ["EAST", "East sale"]
    flags = {name: value for name, value in FLAGS.items() if name not in ("code", "name", "host")}

    call_command("create_site", stdout=StringIO(), **flags)

    site = Site.objects.get()
    assert (site.code, site.name, site.host) == ("EAST", "East sale", None)
