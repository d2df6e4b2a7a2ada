"""Tiers, policies and assets, which staff make and change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from apps.accounts.models import Membership, Role
from apps.audit.models import AuditEvent
from apps.sites.models import Asset, Site
from apps.tiers.forms import TierForm
from apps.tiers.models import Tier
from apps.vesting.models import COLUMNS_OF_VERSION_1, VestingPolicy
from tests.admin.rows import entered, first_of, staff_of
from tests.factories import in_site, make_asset, make_policy, make_site, make_tier

pytestmark = pytest.mark.usefixtures("database")


def tier_form(site: Site, **changed: Any) -> dict[str, Any]:
    """What the browser posts for a new tier of the site."""
    return {
        "name": "Public",
        "asset": first_of(site, Asset).id,
        "policy": first_of(site, VestingPolicy).id,
        "price_minor": 1500,
        "currency": "EUR",
        "tokens_per_unit": "12.5",
        "supply_units": 1000,
        "per_buyer_limit_units": "",
        "opens_at_0": "2026-12-01",
        "opens_at_1": "00:00:00",
        "closes_at_0": "2026-12-31",
        "closes_at_1": "00:00:00",
        "is_active": "on",
        **changed,
    }


def site_with_terms(code: str = "NA") -> Site:
    site = make_site(code)
    make_asset(site)
    make_policy(site)
    return site


def errors_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.status_code
    return dict(response.context["adminform"].form.errors)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.APPROVER])
def test_a_tier_is_made_in_whole_tokens_and_leaves_a_trace(role: Role) -> None:
    site = site_with_terms()
    person = staff_of(site, role=role)
    response = entered(person).post("/admin/tiers/tier/add/", tier_form(site))
    assert response.status_code == 302, errors_of(response)
    tier = first_of(site, Tier)
    assert (tier.tokens_per_unit_base_units, tier.site_id) == (12_500_000_000_000_000_000, site.id)
    with in_site(site):
        event = AuditEvent.objects.get(row_id=tier.id)
        member = person_in(site, person)
    assert (event.actor_kind, event.actor_id, event.action) == ("user", str(member), "insert")
    assert event.request_id


def person_in(site: Site, person: Any) -> Any:
    return Membership.objects.get(identity=person).id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("currency", "JPY"),
        ("tokens_per_unit", "1e18"),
        ("tokens_per_unit", "0"),
        ("tokens_per_unit", "0.0000000000000000001"),
        ("closes_at_0", "2026-11-01"),
        ("price_minor", "0"),
        ("supply_units", "0"),
        ("name", "a\x00b"),
    ],
)
def test_a_tier_that_makes_no_sense_is_refused_at_its_field(field: str, value: str) -> None:
    site = site_with_terms()
    response = entered(staff_of(site)).post("/admin/tiers/tier/add/", tier_form(site, **{field: value}))
    assert field.removesuffix("_0") in errors_of(response)


@pytest.mark.parametrize(("field", "model"), [("asset", Asset), ("policy", VestingPolicy)])
def test_what_another_site_has_cannot_be_chosen(field: str, model: Any) -> None:
    site, other = site_with_terms("OWN"), site_with_terms("OTHER")
    foreign = first_of(other, model).id
    response = entered(staff_of(site)).post("/admin/tiers/tier/add/", tier_form(site, **{field: foreign}))
    assert field in errors_of(response)


def test_changing_a_tier_writes_only_what_was_changed() -> None:
    site = make_site("NA")
    tier = make_tier(site)
    client = entered(staff_of(site))
    sent = tier_form(site, name="Renamed", price_minor=1000, currency="USD", tokens_per_unit="50")
    del sent["asset"]
    with in_site(site):
        Tier.objects.filter(id=tier.id).update(reserved_units=7)
    response = client.post(f"/admin/tiers/tier/{tier.id}/change/", sent)
    assert response.status_code == 302, errors_of(response)
    tier = first_of(site, Tier)
    assert (tier.name, tier.reserved_units, tier.tokens_per_unit_base_units) == ("Renamed", 7, 50 * 10**18)


def test_saving_writes_no_column_that_a_sale_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site("NA")
    tier = make_tier(site)
    written: list[Any] = []
    monkeypatch.setattr(Tier, "save", lambda _self, **kwargs: written.append(kwargs))
    sent = tier_form(site, price_minor=1000, currency="USD", tokens_per_unit="51")
    entered(staff_of(site)).post(f"/admin/tiers/tier/{tier.id}/change/", sent)
    columns = written[0]["update_fields"]
    assert "tokens_per_unit_base_units" in columns
    assert not {"reserved_units", "sold_units", "asset"} & set(columns)


def test_the_supply_does_not_fall_below_what_is_gone() -> None:
    site = make_site("NA")
    tier = make_tier(site)
    with in_site(site):
        Tier.objects.filter(id=tier.id).update(sold_units=90)
    sent = tier_form(site, supply_units=89)
    response = entered(staff_of(site)).post(f"/admin/tiers/tier/{tier.id}/change/", sent)
    assert "supply_units" in errors_of(response)


def test_a_rule_that_only_the_database_sees_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site("NA")
    tier = make_tier(site)
    with in_site(site):
        Tier.objects.filter(id=tier.id).update(sold_units=90)
    monkeypatch.setattr(TierForm, "clean", lambda _self: None)
    monkeypatch.setattr(Tier, "validate_constraints", lambda _self, **_kwargs: None)
    address = f"/admin/tiers/tier/{tier.id}/change/"
    page = entered(staff_of(site)).post(address, tier_form(site, supply_units=10), follow=True)
    assert page.redirect_chain == [(address, 302)]
    assert "tier_not_oversold" in page.content.decode()
    assert first_of(site, Tier).supply_units == 100


def policy_form(**changed: Any) -> dict[str, Any]:
    return {
        "name": "Team",
        "tge_basis_points": 0,
        "cliff_count": 12,
        "cliff_unit": "month",
        "parts": 36,
        "period_count": 1,
        "period_unit": "month",
        "starts_at_0": "",
        "starts_at_1": "",
        "is_active": "on",
        **changed,
    }


def test_a_policy_is_made_and_its_terms_stay() -> None:
    site = make_site("NA")
    client = entered(staff_of(site))
    assert client.post("/admin/vesting/vestingpolicy/add/", policy_form()).status_code == 302
    made = first_of(site, VestingPolicy)
    sent = policy_form(parts=1, name="Other")
    del sent["is_active"]
    assert client.post(f"/admin/vesting/vestingpolicy/{made.id}/change/", sent).status_code == 302
    kept = first_of(site, VestingPolicy)
    assert (kept.parts, kept.name, kept.is_active) == (36, "Team", False)


@pytest.mark.parametrize(
    "wrong",
    [{"tge_basis_points": 10001}, {"parts": 0}, {"period_count": 0}, {"cliff_unit": "eon"}, {"parts": 10001}],
)
def test_terms_that_make_no_schedule_are_refused(wrong: dict[str, Any]) -> None:
    site = make_site("NA")
    response = entered(staff_of(site)).post("/admin/vesting/vestingpolicy/add/", policy_form(**wrong))
    assert errors_of(response)


TERMS = {
    "version": 2,
    "vesting": {
        "segments": [
            {"kind": "calendar", "share": "rest", "parts": 3, "period": {"count": 1, "unit": "month"}}
        ]
    },
}


def version_2(terms: Any, **changed: Any) -> dict[str, Any]:
    """The form as a browser posts it: with the defaults that it came with."""
    sent = policy_form(tge_basis_points="", cliff_count=0, parts="")
    return sent | {"terms": terms if isinstance(terms, str) else json.dumps(terms)} | changed


def test_terms_of_version_2_are_typed_as_json() -> None:
    site = make_site("NA")
    response = entered(staff_of(site)).post("/admin/vesting/vestingpolicy/add/", version_2(TERMS))
    assert response.status_code == 302, errors_of(response)
    made = first_of(site, VestingPolicy)
    assert (made.terms, made.parts, made.cliff_count) == ({**TERMS, "time_zone": "UTC"}, None, None)
    page = entered(staff_of(site)).get("/admin/vesting/vestingpolicy/")
    assert "1 calendar" in page.content.decode()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (version_2(TERMS | {"version": 3}), "version_out_of_range"),
        (version_2(TERMS, parts=3), "terms_twice"),
        (version_2("{"), "valid JSON"),
        (version_2("", tge_basis_points=0), "Needed where"),
    ],
)
def test_version_2_that_makes_no_schedule_is_refused(sent: dict[str, Any], said: str) -> None:
    response = entered(staff_of(make_site("NA"))).post("/admin/vesting/vestingpolicy/add/", sent)
    assert said in str(errors_of(response))


@pytest.mark.parametrize(
    ("tokens", "share", "code"),
    [
        ("0.000000000000000002", "rest", "amount_below_parts"),
        ("1", {"base_units": str(10**18)}, "amounts_fixed"),
    ],
)
def test_a_tier_whose_unit_makes_no_schedule_is_refused(tokens: str, share: Any, code: str) -> None:
    # given a policy that makes a schedule of some amounts only
    site = site_with_terms()
    terms = json.loads(json.dumps(TERMS | {"time_zone": "UTC"}))
    terms["vesting"]["segments"][0]["share"] = share
    policy = make_policy(site, "Few", **dict.fromkeys(COLUMNS_OF_VERSION_1), terms=terms)
    # then no tier sells it in units that make none; this is known before anybody pays
    sent = tier_form(site, policy=policy.id, tokens_per_unit=tokens)
    response = entered(staff_of(site)).post("/admin/tiers/tier/add/", sent)
    assert code in str(errors_of(response)["policy"])


def test_a_tier_sells_nothing_that_vests_before_its_token_is_there() -> None:
    site = site_with_terms()
    from_payment = first_of(site, VestingPolicy)
    with in_site(site):
        Asset.objects.update(generation_at="2027-01-01T00:00:00Z")
    policy = make_policy(site, "Early", starts_at="2026-12-31T00:00:00Z")
    sent = tier_form(site, policy=policy.id)
    response = entered(staff_of(site)).post("/admin/tiers/tier/add/", sent)
    assert "before_generation" in str(errors_of(response)["policy"])
    sent = tier_form(site, policy=from_payment.id)
    assert entered(staff_of(site)).post("/admin/tiers/tier/add/", sent).status_code == 302


@pytest.mark.parametrize(("name", "version"), [("Mine", 2), ("Theirs", 1)])
def test_the_same_name_again_is_its_next_version_in_the_own_site(name: str, version: int) -> None:
    own, other = make_site("OWN"), make_site("OTHER")
    make_policy(own, name="Mine")
    make_policy(other, name="Theirs")
    entered(staff_of(own)).post("/admin/vesting/vestingpolicy/add/", policy_form(name=name))
    made = first_of(own, VestingPolicy)
    assert (made.name, made.version) == (name, version)


def asset_form(**changed: Any) -> dict[str, Any]:
    return {
        "code": "TOK",
        "name": "Token",
        "decimals": 6,
        "chain_id": 1,
        "contract_address": "",
        "custody_asset_id": "TOK_TEST",
        "custody_vault_id": "0",
        "custody_provider": "fireblocks",
        "confirmations": 12,
        "auto_approve_below_base_units": 0,
        **changed,
    }


def test_decimals_never_change() -> None:
    site = make_site("NA")
    client = entered(staff_of(site))
    assert client.post("/admin/sites/asset/add/", asset_form()).status_code == 302
    asset = first_of(site, Asset)
    sent = asset_form(decimals=18, name="Renamed")
    assert client.post(f"/admin/sites/asset/{asset.id}/change/", sent).status_code == 302
    asset = first_of(site, Asset)
    assert (asset.decimals, asset.name) == (6, "Renamed")


@pytest.mark.parametrize(("platform", "limit"), [(False, 0), (True, 5)])
def test_only_a_platform_administrator_lifts_the_need_for_a_second_person(platform: bool, limit: int) -> None:
    site = make_site("NA")
    client = entered(staff_of(site, role=Role.APPROVER, is_platform_admin=platform))
    sent = asset_form(auto_approve_below_base_units=5)
    assert client.post("/admin/sites/asset/add/", sent).status_code == 302
    asset = first_of(site, Asset)
    assert asset.auto_approve_below_base_units == limit
    client.post(f"/admin/sites/asset/{asset.id}/change/", sent)
    assert first_of(site, Asset).auto_approve_below_base_units == limit


def test_django_s_log_holds_ids_and_names_of_columns_only() -> None:
    site = site_with_terms()
    client = entered(staff_of(site))
    client.post("/admin/tiers/tier/add/", tier_form(site, name="Secret name"))
    tier = first_of(site, Tier)
    client.post(f"/admin/tiers/tier/{tier.id}/change/", tier_form(site, name="Another secret"))
    entries = list(LogEntry.objects.order_by("id"))
    assert [entry.object_repr for entry in entries] == [str(tier.id)] * 2
    assert "ecret" not in "".join(f"{entry.object_repr} {entry.change_message}" for entry in entries)
    client.get("/admin/")  # shows the messages about what was just done, once
    assert str(tier.id) not in client.get("/admin/").content.decode()


def test_choices_are_looked_up_in_the_own_site_only() -> None:
    own, other = make_site("OWN"), make_site("OTHER")
    for site in (own, other):
        make_policy(site, name=f"Policy of {site.code}")
    asked = {"app_label": "tiers", "model_name": "tier", "field_name": "policy"}
    client = entered(staff_of(own))
    everything = client.get("/admin/autocomplete/", {**asked, "term": ""}).json()
    assert [each["text"] for each in everything["results"]] == ["Policy of OWN v1"]
    foreign = client.get("/admin/autocomplete/", {**asked, "term": "Policy of OTHER"}).json()
    assert foreign["results"] == []
