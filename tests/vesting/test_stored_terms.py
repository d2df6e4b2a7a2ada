"""Terms of version 2 in policies and schedules: made by the API, copied, frozen, and turned into releases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection

from apps.audit.models import AuditEvent
from apps.sites.models import Asset, Site
from apps.vesting.models import Release, VestingPolicy, VestingSchedule
from apps.vesting.schedule import Part, accrual_of, terms_read
from tests.clients import api_of
from tests.factories import in_site
from tests.payouts.scenes import Scene
from tests.vesting.test_allocation_grant import PAID_AT, Sale

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
POLICIES = "/api/v1/staff/vesting/policies/"
MONTHLY = {
    "kind": "calendar",
    "share": "rest",
    "parts": 48,
    "period": {"count": 1, "unit": "month"},
    "cliff": {"after": {"count": 12, "unit": "month"}, "pays": "percentage", "basis_points": 2500},
}
V2 = {"version": 2, "time_zone": "Asia/Taipei", "vesting": {"segments": [MONTHLY]}}
TRANCHES = {"tranches": [{"date": "2027-06-01", "share": "rest"}]}
EMPTY: dict[str, Any] = {"tge_basis_points": None, "cliff_count": None, "cliff_unit": None} | {
    "parts": None,
    "period_count": None,
    "period_unit": None,
}


def create(who: Any, terms: Any = V2, **fields: Any) -> Any:
    return api_of(who).post(POLICIES, {"name": "Team", "terms": terms} | fields)


def code_of(answer: Any) -> tuple[int, str, str]:
    error = answer.json()["errors"][0]
    return answer.status_code, error["field"], error["code"]


def test_a_policy_holds_them_in_place_of_the_columns() -> None:
    scene = Scene()
    made = create(scene.operator)
    assert made.status_code == 201, made.json()
    body = made.json()
    assert body["terms"] == V2 and {name: body[name] for name in EMPTY} == EMPTY
    with in_site(scene.site):
        event = AuditEvent.objects.get(row_id=body["id"])
    assert event.after is not None and '"Asia/Taipei"' in event.after["terms"]


def test_a_time_zone_left_out_is_the_sites_and_written_down() -> None:
    scene = Scene()
    with in_site(scene.site):
        Site.objects.filter(id=scene.site.id).update(time_zone="Europe/Berlin")
    terms = {name: value for name, value in V2.items() if name != "time_zone"}
    made = create(scene.operator, terms)
    with in_site(scene.site):
        Site.objects.filter(id=scene.site.id).update(time_zone="UTC")
        kept = VestingPolicy.objects.get(id=made.json()["id"])
    assert kept.terms is not None and kept.terms["time_zone"] == "Europe/Berlin"


def test_terms_of_version_1_become_columns() -> None:
    made = create(Scene().operator, {"version": 1, "tge_basis_points": 500, "parts": 3}).json()
    assert (made["terms"], made["tge_basis_points"], made["parts"], made["cliff_unit"]) == (
        None,
        500,
        3,
        "month",
    )


def vesting(**clock: Any) -> dict[str, Any]:
    return V2 | {"vesting": clock}


def segment(**changed: Any) -> dict[str, Any]:
    return vesting(segments=[MONTHLY | changed])


@pytest.mark.parametrize(
    ("terms", "fields", "where", "code"),
    [
        (V2 | {"time_zone": "Mars/Base"}, {}, "terms.time_zone", "time_zone_unknown"),
        (segment(parts=0), {}, "terms.vesting.segments[0].parts", "parts_out_of_range"),
        (segment(parts=10_001), {}, "terms.vesting.segments[0].parts", "parts_out_of_range"),
        (segment(parts=11), {}, "terms.vesting.segments[0].cliff", "cliff_may_outlast"),
        (segment(kind="magic"), {}, "terms.vesting.segments[0].kind", "kind_unknown"),
        (segment(share={"basis_points": 9999}), {}, "terms.vesting", "percentages_not_whole"),
        (vesting(**TRANCHES), {}, "terms.vesting.tranches", "dates_need_start"),
        (
            vesting(**TRANCHES),
            {"starts_at": "2027-06-02T00:00:00Z"},
            "terms.vesting.tranches[0].date",
            "tranche_before_start",
        ),
        (V2, {"starts_at": "9998-01-01T00:00:00Z"}, "", "date_out_of_range"),
        (V2, {"parts": 5}, "", "terms_twice"),
        (V2 | {"version": 3}, {}, "terms.version", "version_out_of_range"),
        ("all of it", {}, "", "not_an_object"),
        (None, {}, "tge_basis_points", "required"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(terms: Any, fields: Any, where: str, code: str) -> None:
    assert code_of(create(Scene().operator, terms, **fields)) == (400, where, code)


def test_and_with_what_to_do() -> None:
    answer = create(Scene().operator, vesting(**TRANCHES)).json()
    assert "Set starts_at" in answer["errors"][0]["detail"]


def test_a_schedule_keeps_them_and_its_releases_are_the_parts() -> None:
    # given a sale under terms of version 2
    sale = Sale(**EMPTY, terms=V2)
    with in_site(sale.site):
        allocation = sale.grant(uuid4(), 100_000)
        schedule = VestingSchedule.objects.get(allocation=allocation)
        releases = list(Release.objects.filter(allocation=allocation).order_by("number"))
    # then they are those of the arithmetic: 37 for 48 months with a cliff of a year
    assert schedule.terms == V2
    parts = accrual_of(100_000, terms_read(V2), PAID_AT).parts()
    assert [Part(each.number, each.unlock_at, each.amount_base_units) for each in releases] == parts
    assert (len(parts), parts[0].amount_base_units) == (37, 25_000)


@pytest.mark.parametrize("paid_at", [PAID_AT, datetime(2027, 5, 1, tzinfo=UTC)])
def test_nothing_vests_before_the_token_is_there(paid_at: datetime) -> None:
    sale, there = Sale(), datetime(2027, 4, 1, tzinfo=UTC)
    with in_site(sale.site):
        Asset.objects.filter(id=sale.asset.id).update(generation_at=there)
        allocation = sale.grant(uuid4(), starts_at=paid_at)
        schedule = VestingSchedule.objects.get(allocation=allocation)
    assert schedule.start_at == max(paid_at, there)


@pytest.mark.parametrize(
    "columns",
    [
        {"terms": V2},  # beside those of version 1
        EMPTY | {"terms": None},
        EMPTY | {"terms": {"version": 1, "time_zone": "UTC", "vesting": {}}},
        EMPTY | {"terms": {"time_zone": "UTC", "vesting": {}}},
        EMPTY | {"terms": {"version": 2, "vesting": {}}},
        EMPTY | {"terms": ["version", "time_zone", "vesting"]},
        {"tge_basis_points": None},
        {"cliff_unit": None},
    ],
)
def test_exactly_one_kind_is_in_force(columns: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="vestingpolicy_terms_make_a_whole"):
        Sale(**columns)


@pytest.mark.parametrize("table", ["vestingpolicy", "vestingschedule"])
def test_stored_ones_never_change(table: str) -> None:
    sale = Sale(**EMPTY, terms=V2)
    with in_site(sale.site):
        sale.grant(uuid4(), 100_000)
    statement = f"""UPDATE vesting_{table} SET terms = terms || '{{"remainders": "FRONT_LOADED"}}'"""
    with (
        pytest.raises(IntegrityError, match="cannot change"),
        in_site(sale.site),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
