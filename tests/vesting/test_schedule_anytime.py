"""Terms that are sold now and begin on any day, for any amount from the smallest on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.vesting.schedule import (
    Plan,
    TermsError,
    accrual_of,
    refuse_below,
    refuse_start_dependent,
    terms_read,
)
from tests.vesting.test_schedule_properties import calendar, clocks, linear

START = datetime(2027, 1, 31, tzinfo=UTC)
MONTH = {"count": 1, "unit": "month"}
starts = st.integers(0, 1_461 * 24).map(
    lambda hours: datetime(2027, 1, 1, 5, tzinfo=UTC) + timedelta(hours=hours)
)


def plan_of(vesting: dict[str, Any], **others: Any) -> Plan:
    plan = terms_read({"version": 2, "time_zone": "America/New_York", "vesting": vesting} | others)
    assert isinstance(plan, Plan)
    return plan


def monthly(**others: Any) -> dict[str, Any]:
    return {"kind": "calendar", "share": "rest", "parts": 12, "period": MONTH} | others


def cliff(count: int, unit: str, pays: str = "accrued", **others: Any) -> dict[str, Any]:
    return {"after": {"count": count, "unit": unit}, "pays": pays} | others


@pytest.mark.parametrize(
    ("vesting", "code", "path"),
    [
        ({"tranches": [{"date": "2028-01-01", "share": "rest"}]}, "dates_need_start", "vesting.tranches"),
        (
            {"segments": [monthly(cliff={"date": "2028-01-01", "pays": "accrued"})]},
            "dates_need_start",
            "vesting.segments[0].cliff",
        ),
        # 30 days are more than February has
        (
            {"segments": [monthly(parts=1, cliff=cliff(30, "day"))]},
            "cliff_may_outlast",
            "vesting.segments[0].cliff",
        ),
        # from 31 January, twelve times the first of a month end on 1 January
        (
            {"segments": [monthly(day_of_month="01", cliff=cliff(12, "month"))]},
            "cliff_may_outlast",
            "vesting.segments[0].cliff",
        ),
        (
            {"segments": [monthly(cliff=cliff(12, "month", "percentage", basis_points=1))]},
            "cliff_may_outlast",
            "vesting.segments[0].cliff",
        ),
    ],
)
def test_what_holds_on_some_days_only_is_refused(vesting: dict[str, Any], code: str, path: str) -> None:
    with pytest.raises(TermsError) as refusal:
        refuse_start_dependent(plan_of(vesting))
    assert (refusal.value.code, refusal.value.path) == (code, path)


def test_what_is_refused_for_some_days_does_fail_on_them() -> None:
    # The negative control of the rule above: the same terms, applied when a buyer pays in February.
    plan = plan_of({"segments": [monthly(parts=1, cliff=cliff(30, "day"))]})
    accrual_of(100, plan, datetime(2027, 3, 2, tzinfo=UTC))
    with pytest.raises(TermsError, match="cliff ends"):
        accrual_of(100, plan, datetime(2027, 2, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    "segment",
    [
        monthly(cliff=cliff(12, "month")),
        monthly(cliff=cliff(4, "quarter")),
        monthly(cliff=cliff(334, "day")),
        monthly(cliff=cliff(30, "year", "nothing")),
        monthly(parts=1, cliff=cliff(10, "day", "percentage", basis_points=1)),
        monthly(day_of_month="01", cliff=cliff(6, "month")),
    ],
)
def test_usual_cliffs_are_taken(segment: dict[str, Any]) -> None:
    refuse_start_dependent(plan_of({"segments": [segment]}))


@given(clocks(calendar | linear), starts)
def test_what_is_taken_begins_on_any_day(vesting: dict[str, Any], start: datetime) -> None:
    plan = plan_of(vesting)
    try:
        refuse_start_dependent(plan)
    except TermsError:
        return
    accrual_of(10**30, plan, start)


@given(clocks(calendar), st.integers(1, 10**6), st.integers(1, 10**6))
def test_an_amount_that_is_taken_is_no_luck(vesting: dict[str, Any], smallest: int, more: int) -> None:
    plan = plan_of(vesting)
    try:
        refuse_below(smallest, plan, START)
    except TermsError:
        return
    assert (
        sum(part.amount_base_units for part in accrual_of(smallest + more, plan, START).parts())
        == smallest + more
    )


def test_an_amount_that_fits_by_luck_is_refused() -> None:
    thirds = [
        {"date": f"2028-01-0{k + 1}", "share": {"basis_points": each}}
        for k, each in enumerate((4500, 1000, 4500))
    ]
    plan = plan_of({"tranches": thirds})
    assert [part.amount_base_units for part in accrual_of(6, plan, START).parts()] == [2, 1, 3]
    with pytest.raises(TermsError):
        accrual_of(7, plan, START)
    with pytest.raises(TermsError) as refusal:
        refuse_below(6, plan, START)
    assert refusal.value.code == "amount_below_parts"


def test_parts_after_a_cliff_are_counted_on_the_worst_day() -> None:
    # from February on, 28 days are a month: there is one part more after the cliff
    plan = plan_of({"segments": [monthly(parts=3, cliff=cliff(28, "day", "percentage", basis_points=1))]})
    accrual_of(2, plan, datetime(2027, 2, 1, 12, tzinfo=UTC))
    with pytest.raises(TermsError):
        accrual_of(2, plan, datetime(2027, 3, 2, tzinfo=UTC))
    with pytest.raises(TermsError):
        refuse_below(2, plan, datetime(2027, 2, 1, 12, tzinfo=UTC))


def test_fixed_amounts_make_one_total_only() -> None:
    plan = plan_of({"tranches": [{"date": "2028-01-01", "share": {"base_units": "5"}}]})
    accrual_of(5, plan, START)
    with pytest.raises(TermsError) as refusal:
        refuse_below(5, plan, START)
    assert refusal.value.code == "amounts_fixed"
