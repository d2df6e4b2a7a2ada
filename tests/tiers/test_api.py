"""/api/v1/tiers/: the catalogue that anybody may read."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.tiers.models import Tier
from apps.tiers.serializers import TierSerializer
from tests.clients import api
from tests.factories import in_site, make_asset, make_site, make_tier
from tests.orders.scene import statements

pytestmark = pytest.mark.usefixtures("database")
TIERS = "/api/v1/tiers/"


def test_a_tier_is_shown_without_a_token() -> None:
    site = make_site()
    tier = make_tier(site, supply_units=100, per_buyer_limit_units=7)
    with in_site(site):
        Tier.objects.update(reserved_units=5, sold_units=10)

    shown = api(site).get(f"{TIERS}{tier.id}/").json()

    assert shown["tokens_per_unit"] == "50"
    assert shown["tokens_per_unit_base_units"] == str(50 * 10**18)
    assert (shown["price_minor"], shown["currency"]) == (1000, "USD")
    assert (shown["supply_units"], shown["available_units"], shown["per_buyer_limit_units"]) == (100, 85, 7)
    assert shown["asset"]["decimals"] == 18 and shown["policy"]["tge_basis_points"] == 1000
    assert shown.keys() == set(TierSerializer().fields)


def test_amounts_of_256_bits_are_exact() -> None:
    site = make_site()
    tier = make_tier(site, tokens_per_unit_base_units=2**256 - 1)
    assert api(site).get(f"{TIERS}{tier.id}/").json()["tokens_per_unit_base_units"] == str(2**256 - 1)


def test_the_list_is_paged_newest_first() -> None:
    site = make_site()
    first, asset = make_tier(site), make_asset(site, "ALT")
    tiers = [make_tier(site, asset=asset, policy=first.policy, name=f"Tier {n}") for n in range(2)]
    expected = [str(tier.id) for tier in [*reversed(tiers), first]]

    page = api(site).get(TIERS, {"limit": 2}).json()
    rest = api(site).get(TIERS, {"limit": 2, "cursor": page["next"]}).json()

    assert [tier["id"] for tier in page["results"] + rest["results"]] == expected
    assert rest["next"] is None


def test_the_list_takes_one_statement_however_long() -> None:
    site = make_site()
    first = make_tier(site)
    for number in range(3):
        make_tier(site, asset=first.asset, policy=first.policy, name=f"Tier {number}")
    with CaptureQueriesContext(connection) as asked:
        assert len(api(site).get(TIERS).json()["results"]) == 4
    # The site, the scope's settings, the tiers with asset and policy.
    assert len(statements(asked)) == 3


def test_inactive_tiers_are_not_shown() -> None:
    site = make_site()
    tier = make_tier(site, is_active=False)
    assert api(site).get(TIERS).json()["results"] == []
    assert api(site).get(f"{TIERS}{tier.id}/").json()["code"] == "unknown_tier"


def test_tiers_of_another_site_do_not_exist() -> None:
    tier, other = make_tier(make_site("NA")), make_site("ASIA")
    answer = api(other).get(f"{TIERS}{tier.id}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_tier")
    assert api(other).get(TIERS).json()["results"] == []


@pytest.mark.parametrize("path", ["00000000-0000-7000-8000-000000000000/", "not-a-uuid/", "%00/"])
def test_unknown_paths_are_problems(path: str) -> None:
    answer = api(make_site()).get(TIERS + path)
    assert answer.status_code in (400, 404)
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("query", [{"cursor": "x"}, {"limit": "0"}, {"limit": "1000"}])
def test_bad_pages_are_400(query: dict[str, Any]) -> None:
    assert api(make_site()).get(TIERS, query).status_code == 400
