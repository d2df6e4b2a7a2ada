"""POST staff/vesting/policies/preview/ and the admin's page: what would be made, and nothing is."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from apps.accounts.models import Role
from apps.sites.models import Asset
from apps.vesting.models import Release, VestingPolicy
from apps.vesting.preview import MOST_POINTS
from tests.admin.rows import entered, first_of, staff_of
from tests.clients import api_of
from tests.factories import in_site, make_asset, make_member, make_site
from tests.payouts.scenes import Scene
from tests.vesting.test_allocation_grant import PAID_AT, Sale
from tests.vesting.test_stored_terms import EMPTY, MONTHLY, V2, code_of

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
PREVIEW = "/api/v1/staff/vesting/policies/preview/"
PAGE = "/admin/vesting/vestingpolicy/preview/"
LINEAR = {"kind": "linear", "share": "rest", "lasts": {"seconds": 10_000}}


def preview(who: Any, **fields: Any) -> Any:
    asked = {"amount_base_units": "100000", "terms": V2, "starts_at": PAID_AT.isoformat()}
    return api_of(who).post(PREVIEW, {name: v for name, v in (asked | fields).items() if v != "absent"})


def by_the_second(**segment: Any) -> dict[str, Any]:
    return V2 | {"vesting": {"segments": [LINEAR | segment]}}


def test_it_shows_the_releases_that_are_made_afterwards_and_makes_none() -> None:
    scene = Scene()
    shown = preview(scene.operator)
    assert shown.status_code == 200, shown.json()
    with in_site(scene.site):
        policies, releases = VestingPolicy.objects.filter(name="Team").count(), Release.objects.count()
    assert policies == 0 == releases
    sale = Sale("ASIA", **EMPTY, terms=V2)
    with in_site(sale.site):
        allocation = sale.grant(uuid4(), 100_000)
        made = list(Release.objects.filter(allocation=allocation).order_by("number"))
    parts = shown.json()["parts"]
    assert [(each["number"], each["amount_base_units"]) for each in parts] == [
        (each.number, str(each.amount_base_units)) for each in made
    ]
    assert (len(parts), parts[-1]["sum_base_units"], parts[0]["amount_tokens"]) == (37, "100000", None)
    assert shown.json()["curve"][-1] == {"at": parts[-1]["unlock_at"], "base_units": "100000"}


def test_a_curve_by_the_second_has_the_published_figure() -> None:
    # sablier-labs/v2-core, tests/utils/Defaults.sol: 10,000e18 over 10,000 s gives 2,600e18 at 2,600 s
    scene = Scene()
    shown = preview(scene.operator, terms=by_the_second(), amount_base_units=str(10_000 * 10**18)).json()
    assert (shown["is_continuous"], shown["parts"]) == (True, [])
    at = {point["at"]: point["base_units"] for point in shown["curve"]}
    assert at["2027-01-31T12:43:20Z"] == str(2_600 * 10**18)


def test_ten_thousand_parts_are_shown_by_few_points() -> None:
    days = MONTHLY | {"parts": 10_000, "period": {"count": 1, "unit": "day"}, "cliff": None}
    terms = V2 | {"vesting": {"segments": [days]}}
    shown = preview(Scene().operator, terms=terms, amount_base_units=str(10**24)).json()
    assert len(shown["parts"]) == 10_000
    assert len(shown["curve"]) <= 2 * MOST_POINTS


def test_with_an_asset_amounts_are_in_tokens_and_its_generation_event_counts() -> None:
    scene = Scene()
    asset = make_asset(scene.site, "LATE", generation_at="2028-01-01T00:00:00Z")
    fields = {"asset_id": str(asset.id), "amount_base_units": str(100 * 10**18)}
    shown = preview(scene.operator, starts_at=None, **fields).json()
    assert (shown["starts_at"], shown["parts"][0]["amount_tokens"]) == ("2028-01-01T00:00:00Z", "25")
    refused = preview(scene.operator, starts_at="2026-12-31T00:00:00Z", **fields)
    assert code_of(refused) == (400, "", "before_generation")


@pytest.mark.parametrize(
    ("fields", "where", "code"),
    [
        ({"amount_base_units": "46"}, "", "amount_below_parts"),
        ({"amount_base_units": "0"}, "amount_base_units", "not_whole"),
        ({"amount_base_units": 5}, "amount_base_units", "not_whole"),
        ({"amount_base_units": str(2**256)}, "amount_base_units", "not_whole"),
        ({"terms": V2 | {"version": 3}}, "terms.version", "version_out_of_range"),
        ({"terms": None}, "tge_basis_points", "required"),
        ({"name": "Team"}, "name", "unknown"),
    ],
)
def test_what_makes_no_schedule_is_told(fields: dict[str, Any], where: str, code: str) -> None:
    answer = preview(Scene().operator, **fields)
    found = code_of(answer)
    assert (found[0], found[2]) == (400, code) and found[1].endswith(where)


@pytest.mark.parametrize(
    ("role", "status"), [("buyer", 403), ("auditor", 200), ("operator", 200), ("approver", 200)]
)
def test_staff_look_and_buyers_do_not(role: str, status: int) -> None:
    assert preview(make_member(Scene().site, Role(role))).status_code == status


def page_form(**fields: Any) -> dict[str, Any]:
    return {
        "amount": "100000",
        "asset": "",
        "starts_at": "2027-01-31 12:00",
        "terms": json.dumps(V2),
        "tge_basis_points": "",
        "cliff_count": "",
        "cliff_unit": "",
        "parts": "",
        "period_count": "",
        "period_unit": "",
    } | fields


def test_the_page_shows_table_and_curve_and_leads_to_a_filled_form() -> None:
    client = entered(staff_of(make_site("NA")))
    assert PAGE in client.get("/admin/vesting/vestingpolicy/").content.decode()
    assert client.get(PAGE).status_code == 200
    # when terms are previewed
    page = client.post(PAGE, page_form())
    text = page.content.decode()
    assert "posx-curve" in text and "37 releases" in text and "2028-01-31 12:00:00" in text
    # then the link has them in the form of a new policy
    link = page.context["add_url"]
    assert set(parse_qs(urlsplit(link).query)) == {"terms", "starts_at"}
    initial = client.get(link).context["adminform"].form
    assert initial["terms"].initial == V2
    assert "2027-01-31" in initial["starts_at"].as_widget()


def test_the_page_takes_whole_tokens_and_the_fields_of_version_1() -> None:
    site = make_site("NA")
    make_asset(site)
    sent = page_form(
        asset=first_of(site, Asset).id,
        amount="12.5",
        terms="",
        tge_basis_points="2000",
        parts="2",
    )
    text = entered(staff_of(site)).post(PAGE, sent).content.decode()
    assert ">2.5<" in text and ">12.5<" in text


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"terms": "{"}, "valid JSON"),
        ({"terms": "[" * 100_000}, "nested too deeply"),
        ({"terms": '{"version": 2}'}, "terms.vesting"),
        ({"amount": "1.5"}, "at most 0 decimals"),
        ({"amount": "0"}, "More than nothing"),
        ({"amount": "5"}, "amount_below_parts"),
        ({"asset": str(uuid4())}, "valid choice"),
        ({"terms": ""}, "parts_missing"),
    ],
)
def test_the_page_tells_what_is_wrong(sent: dict[str, Any], said: str) -> None:
    page = entered(staff_of(make_site("NA"))).post(PAGE, page_form(**sent))
    assert page.status_code == 200
    assert said in page.content.decode() and "posx-curve" not in page.content.decode()


def test_an_auditor_is_shown_no_way_to_make_it() -> None:
    site = make_site("NA")
    page = entered(staff_of(site, role=Role.AUDITOR)).post(PAGE, page_form())
    assert "posx-curve" in page.content.decode() and "add_url" not in page.context
