"""What the strict reader refuses, and where it says that the fault is."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.vesting.schedule import PeriodUnit, Terms, TermsError, accrual_of, parts_of, terms_read

START = datetime(2027, 1, 31, tzinfo=UTC)
MONTH = {"count": 1, "unit": "month"}
HALF = {"basis_points": 5_000}


def plan(*segments: dict[str, Any], **clock: Any) -> dict[str, Any]:
    return {"version": 2, "time_zone": "UTC", "vesting": {"segments": list(segments)} | clock}


def monthly(**others: Any) -> dict[str, Any]:
    return {"kind": "calendar", "share": "rest", "parts": 12, "period": MONTH} | others


def linear(**others: Any) -> dict[str, Any]:
    return {"kind": "linear", "share": "rest", "lasts": {"seconds": 100}} | others


def tranches(*pairs: tuple[str, Any]) -> dict[str, Any]:
    return plan(tranches=[{"date": date, "share": share} for date, share in pairs])


S0 = "vesting.segments[0]"
REFUSED = [
    ([], "not_an_object", ""),
    ({}, "missing", "version"),
    ({"version": 3}, "version_out_of_range", "version"),
    ({"version": True}, "version_not_whole", "version"),
    ({"version": 1, "parts": 1, "colour": 1}, "unknown", "colour"),
    (plan(monthly()) | {"time_zone": "../etc/passwd"}, "time_zone_unknown", "time_zone"),
    (plan(monthly()) | {"time_zone": "localtime"}, "time_zone_unknown", "time_zone"),
    (plan(monthly()) | {"remainders": "FRACTIONAL"}, "remainders_unknown", "remainders"),
    (plan(monthly()) | {"unlock": {}}, "nothing_paid", "unlock"),
    (plan(), "nothing_paid", "vesting"),
    (plan({"share": "rest"}), "missing", f"{S0}.kind"),
    (plan(monthly(kind="cubic")), "kind_unknown", f"{S0}.kind"),
    (plan(monthly(parts=0)), "parts_out_of_range", f"{S0}.parts"),
    (plan(monthly(parts=10_001)), "parts_out_of_range", f"{S0}.parts"),
    (plan(monthly(share=HALF, parts=6_000), monthly(parts=6_000)), "too_many_releases", "vesting"),
    (plan(monthly(parts=10_000, period={"count": 2, "unit": "year"})), "span_too_long", S0),
    (plan(monthly(period={"count": 0, "unit": "month"})), "count_out_of_range", f"{S0}.period.count"),
    (plan(monthly(period={"count": 1, "unit": "moon"})), "unit_unknown", f"{S0}.period.unit"),
    (plan(monthly(day_of_month="31")), "day_of_month_unknown", f"{S0}.day_of_month"),
    (
        plan(monthly(day_of_month="01", period={"count": 1, "unit": "week"})),
        "day_of_month_without_months",
        f"{S0}.day_of_month",
    ),
    (plan(linear(lasts={"seconds": 0})), "seconds_out_of_range", f"{S0}.lasts.seconds"),
    (plan(linear(lasts={"seconds": 1.5})), "seconds_not_whole", f"{S0}.lasts.seconds"),
    (plan(linear(parts=3)), "unknown", f"{S0}.parts"),
    (plan(monthly(cliff={"pays": "accrued"})), "cliff_after_or_date", f"{S0}.cliff"),
    (plan(monthly(cliff={"pays": "all", "after": MONTH})), "pays_unknown", f"{S0}.cliff.pays"),
    (plan(monthly(cliff={"pays": "percentage", "after": MONTH})), "cliff_percentage", f"{S0}.cliff"),
    (plan(monthly(share=HALF)), "percentages_not_whole", "vesting"),
    (plan(monthly(share=HALF), monthly(share={"basis_points": 5_001})), "percentages_not_whole", "vesting"),
    (plan(monthly(), at_start={"basis_points": 10_001}), "basis_points_out_of_range", "vesting.at_start.basis_points"),
    (plan(monthly(), linear()), "rest_twice", "vesting"),
    (plan(monthly(share=HALF), monthly(share={"base_units": "5"})), "rest_missing", "vesting"),
    (plan(monthly(share=0.5)), "share_unknown", f"{S0}.share"),
    (plan(monthly(share={"base_units": 5})), "base_units_not_whole", f"{S0}.share.base_units"),
    (plan(monthly(share={"base_units": "1_000"})), "base_units_not_whole", f"{S0}.share.base_units"),
    (plan(monthly(share={"base_units": "٣"})), "base_units_not_whole", f"{S0}.share.base_units"),
    (plan(monthly(share={"base_units": str(2**256)})), "base_units_out_of_range", f"{S0}.share.base_units"),
    (
        tranches(("2027-03-01", HALF), ("2027-03-01", HALF)),
        "tranches_out_of_order",
        "vesting.tranches[1].date",
    ),
    (tranches(("2027-02-30", "rest")), "date_unknown", "vesting.tranches[0].date"),
    (tranches(("20270228", "rest")), "date_unknown", "vesting.tranches[0].date"),
    (tranches(("2027-03-01", HALF), ("2027-04-01", {"basis_points": 4_999})), "percentages_not_whole", "vesting"),
    (plan(monthly(), tranches=[{"date": "2027-03-01", "share": "rest"}]), "tranches_or_segments", "vesting"),
    (plan(monthly()) | {"vesting": {"segments": {}}}, "not_a_list", "vesting.segments"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "code", "path"), REFUSED, ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_fault_is_named_with_its_place(value: object, code: str, path: str) -> None:
    given = copy.deepcopy(value)
    with pytest.raises(TermsError) as refusal:
        terms_read(value)
    assert (refusal.value.code, refusal.value.path) == (code, path)
    assert str(refusal.value) and value == given


APPLIED = [
    (plan(monthly(cliff={"after": {"count": 13, "unit": "month"}, "pays": "accrued"})), 100, "cliff_beyond_end"),
    (plan(monthly(cliff={"date": "2028-02-01", "pays": "accrued"})), 100, "cliff_beyond_end"),
    (
        plan(monthly(cliff={"after": {"count": 12, "unit": "month"}, "pays": "percentage", "basis_points": 1})),
        100,
        "cliff_beyond_end",
    ),
    (plan(linear(cliff={"after": MONTH, "pays": "accrued"})), 100, "cliff_beyond_end"),
    (plan(monthly(cliff={"date": "2027-01-30", "pays": "accrued"})), 100, "cliff_before_start"),
    (tranches(("2027-01-30", "rest")), 100, "tranche_before_start"),
    (plan(monthly()), 11, "amount_below_parts"),
    (plan(monthly(), at_start={"basis_points": 1}), 100, "amount_below_parts"),
    (plan(monthly(share={"base_units": "12"})), 13, "amounts_not_total"),
    (plan(monthly(), at_start={"base_units": "101"}), 100, "amounts_not_total"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "total", "code"), APPLIED)
def test_what_a_start_or_an_amount_makes_impossible_is_named(value: object, total: int, code: str) -> None:
    terms = terms_read(value)
    with pytest.raises(TermsError) as refusal:
        accrual_of(total, terms, START)
    assert refusal.value.code == code


def test_nothing_is_payable_before_the_assets_generation_event() -> None:
    terms = terms_read(plan(monthly(), at_start={"basis_points": 1_000}))
    with pytest.raises(TermsError) as refusal:
        accrual_of(1_000, terms, START, generation_at=datetime(2027, 2, 1, tzinfo=UTC))
    assert refusal.value.code == "before_generation"
    assert accrual_of(1_000, terms, START, generation_at=START).payable_at(START) == 100


def test_an_unlock_clock_may_wait_for_the_generation_event_that_vesting_precedes() -> None:
    unlock = {"tranches": [{"date": "2027-06-01", "share": "rest"}]}
    terms = terms_read(plan(monthly()) | {"unlock": unlock})
    made = accrual_of(12, terms, START, generation_at=datetime(2027, 6, 1, tzinfo=UTC))
    assert made.parts()[0].amount_base_units == 4


def test_terms_by_the_second_have_no_list_of_parts() -> None:
    with pytest.raises(TermsError) as refusal:
        accrual_of(100, terms_read(plan(linear())), START).parts()
    assert refusal.value.code == "continuous"


def test_version_1_is_what_stored_schedules_are_made_of() -> None:
    value = {"version": 1, "tge_basis_points": 1_000, "cliff_count": 6, "parts": 12, "period_unit": "week"}
    terms = terms_read(value)
    assert terms == Terms(tge_basis_points=1_000, cliff_count=6, parts=12, period_unit=PeriodUnit.WEEK)
    parts = parts_of(
        999, Terms(tge_basis_points=1_000, cliff_count=6, parts=12, period_unit=PeriodUnit.WEEK), START
    )
    assert [(p.unlock_at, p.amount_base_units) for p in accrual_of(999, terms, START).parts()] == [
        (p.unlock_at, p.amount_base_units) for p in parts
    ]  # fmt: skip
