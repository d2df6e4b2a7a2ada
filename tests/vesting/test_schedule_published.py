"""Figures that others published, each with its source, and the dates that a calendar decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.vesting.schedule import Accrual, Plan, Remainders, accrual_of, terms_read
from apps.vesting.schedule.remainders import split

MONTH = {"count": 1, "unit": "month"}
JANUARY_31 = datetime(2027, 1, 31, tzinfo=UTC)


def accrual(
    total: int,
    *segments: dict[str, Any],
    start: datetime = JANUARY_31,
    zone: str = "UTC",
    generation_at: datetime | None = None,
    **others: Any,
) -> Accrual:
    clock = {"segments": list(segments)} | {k: others.pop(k) for k in ("at_start", "tranches") if k in others}
    plan = terms_read({"version": 2, "time_zone": zone, "vesting": clock} | others)
    assert isinstance(plan, Plan)
    return accrual_of(total, plan, start, generation_at=generation_at)


def monthly(parts: int, **others: Any) -> dict[str, Any]:
    return {"kind": "calendar", "share": "rest", "parts": parts, "period": MONTH} | others


def linear(**others: Any) -> dict[str, Any]:
    return {"kind": "linear", "share": "rest", "lasts": {"seconds": 10_000}} | others


def days(made: Accrual) -> list[str]:
    return [f"{part.unlock_at:%Y-%m-%d}" for part in made.parts()]


def amounts(made: Accrual) -> list[int]:
    return [part.amount_base_units for part in made.parts()]


# Sablier


def test_a_quarter_and_a_bit_of_a_linear_stream_has_accrued() -> None:
    # sablier-labs/v2-core, tests/utils/Defaults.sol: DEPOSIT_AMOUNT, TOTAL_DURATION, STREAMED_AMOUNT_26_PERCENT.
    made = accrual(10_000 * 10**18, linear())
    assert made.payable_at(JANUARY_31 + timedelta(seconds=2_600)) == 2_600 * 10**18
    assert made.payable_at(JANUARY_31) == 0
    assert made.payable_at(JANUARY_31 + timedelta(seconds=10_000)) == 10_000 * 10**18


def test_a_second_accrues_to_the_last_base_unit() -> None:
    each = 10**70 + 1  # more digits than a float has
    made = accrual(7 * each, linear(lasts={"seconds": 7}))
    until = [made.payable_at(JANUARY_31 + timedelta(seconds=second)) for second in range(8)]
    assert until == [second * each for second in range(8)]


# Open Cap Format, schema/enums/AllocationType.schema.json: 18 shares split across 4 tranches


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("CUMULATIVE_ROUNDING", [5, 4, 5, 4]),
        ("CUMULATIVE_ROUND_DOWN", [4, 5, 4, 5]),
        ("FRONT_LOADED", [5, 5, 4, 4]),
        ("BACK_LOADED", [4, 4, 5, 5]),
        ("FRONT_LOADED_TO_SINGLE_TRANCHE", [6, 4, 4, 4]),
        ("BACK_LOADED_TO_SINGLE_TRANCHE", [4, 4, 4, 6]),
    ],
)
def test_18_in_4_by_each_name(name: str, published: list[int]) -> None:
    assert split(18, 4, Remainders(name)) == published
    assert amounts(accrual(18, monthly(4), remainders=name)) == published


def test_rounding_down_cumulatively_is_what_happens_unless_said() -> None:
    assert amounts(accrual(18, monthly(4))) == [4, 5, 4, 5]


# Open Cap Format, schema/objects/VestingTerms, example 4yr-1yr-cliff-schedule, with issue 5's 100,000


@pytest.mark.parametrize("pays", [{"pays": "accrued"}, {"pays": "percentage", "basis_points": 2_500}])
def test_100_000_over_48_months_with_a_year_of_cliff_are_37_events(pays: dict[str, Any]) -> None:
    cliff = {"after": {"count": 12, "unit": "month"}} | pays
    made = accrual(100_000, monthly(48, cliff=cliff), start=datetime(2027, 1, 1, tzinfo=UTC))
    assert len(made.parts()) == 37
    assert (days(made)[0], amounts(made)[0]) == ("2028-01-01", 25_000)
    assert {*amounts(made)[1:]} == {2_083, 2_084}
    assert days(made)[-1] == "2031-01-01"


# Calendar


def test_months_are_counted_from_31_january() -> None:
    assert days(accrual(6, monthly(6))) == [
        *("2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30", "2027-07-31")
    ]


def test_segments_of_months_go_on_from_the_first_start() -> None:
    first = monthly(1) | {"share": {"basis_points": 5_000}}
    assert days(accrual(4, first, monthly(2))) == ["2027-02-28", "2027-03-31", "2027-04-30"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("01", ["2028-02-01", "2028-03-01", "2028-04-01"]),
        ("28", ["2028-02-28", "2028-03-28", "2028-04-28"]),
        ("29_OR_LAST_DAY_OF_MONTH", ["2028-02-29", "2028-03-29", "2028-04-29"]),
        ("30_OR_LAST_DAY_OF_MONTH", ["2028-02-29", "2028-03-30", "2028-04-30"]),
        ("31_OR_LAST_DAY_OF_MONTH", ["2028-02-29", "2028-03-31", "2028-04-30"]),
        ("VESTING_START_DAY_OR_LAST_DAY_OF_MONTH", ["2028-02-15", "2028-03-15", "2028-04-15"]),
    ],
)
def test_days_of_the_month_are_those_of_the_open_cap_format(rule: str, expected: list[str]) -> None:
    # Open Cap Format, schema/enums/VestingDayOfMonth.schema.json; 2028 is a leap year.
    made = accrual(3, monthly(3, day_of_month=rule), start=datetime(2028, 1, 15, tzinfo=UTC))
    assert days(made) == expected


def test_a_date_begins_where_the_site_is() -> None:
    tranches = [
        {"date": "2027-03-01", "share": {"basis_points": 4_000}},
        {"date": "2027-07-01", "share": "rest"},
    ]
    in_taipei = accrual(10, tranches=tranches, zone="Asia/Taipei").parts()
    in_new_york = accrual(10, tranches=tranches, zone="America/New_York").parts()
    assert [part.unlock_at.isoformat() for part in in_taipei] == [
        *("2027-02-28T16:00:00+00:00", "2027-06-30T16:00:00+00:00")
    ]
    assert [part.unlock_at.isoformat() for part in in_new_york] == [
        *("2027-03-01T05:00:00+00:00", "2027-07-01T04:00:00+00:00")
    ]


def test_month_ends_are_those_of_the_sites_calendar() -> None:
    # 30 January 17:00 UTC is 31 January in Taipei.
    start = datetime(2027, 1, 30, 17, tzinfo=UTC)
    assert days(accrual(2, monthly(2), start=start, zone="Asia/Taipei")) == ["2027-02-27", "2027-03-30"]
    assert days(accrual(2, monthly(2), start=start)) == ["2027-02-28", "2027-03-30"]


def test_the_wall_clock_is_kept_over_summer_time() -> None:
    start = datetime(2027, 3, 1, 8, tzinfo=UTC)  # 09:00 in Berlin
    part = accrual(1, monthly(1), start=start, zone="Europe/Berlin").parts()[0]
    assert part.unlock_at == datetime(2027, 4, 1, 7, tzinfo=UTC)


def test_a_day_that_a_zone_left_out_pays_with_the_next() -> None:
    # Samoa had no 30 December 2011.
    daily = {"kind": "calendar", "share": "rest", "parts": 3, "period": {"count": 1, "unit": "day"}}
    made = accrual(3, daily, start=datetime(2011, 12, 28, 22, tzinfo=UTC), zone="Pacific/Apia")
    assert sum(amounts(made)) == 3 and len(made.parts()) == 2


# Cliffs of the second-by-second kind


@pytest.mark.parametrize(
    ("cliff", "before", "at", "after"),
    [
        ({"pays": "accrued"}, 0, 864, 1_000),
        ({"pays": "percentage", "basis_points": 5_000}, 0, 5_000, 5_074),
        ({"pays": "nothing"}, 0, 0, 136),
    ],
)
def test_what_a_cliff_pays_of_a_linear_kind(cliff: dict[str, Any], before: int, at: int, after: int) -> None:
    day = timedelta(days=1)
    ten_days = {"lasts": {"seconds": 1_000_000}, "cliff": {"after": {"count": 1, "unit": "day"}} | cliff}
    made = accrual(10_000, linear(**ten_days))
    assert made.payable_at(JANUARY_31 + day - timedelta(seconds=1)) == before
    assert made.payable_at(JANUARY_31 + day) == at
    assert made.payable_at(JANUARY_31 + day + timedelta(seconds=13_600)) == after
    assert made.payable_at(made.ends_at()) == 10_000


# Two clocks


def test_the_lesser_of_vested_and_unlocked_is_payable() -> None:
    half = {"date": "2027-05-15", "share": {"basis_points": 5_000}}
    unlock = {"tranches": [half, {"date": "2027-05-20", "share": "rest"}]}
    made = accrual(6, monthly(6), unlock=unlock)
    assert list(zip(days(made), amounts(made), strict=True)) == [
        ("2027-05-15", 3),
        *(("2027-05-31", 1), ("2027-06-30", 1), ("2027-07-31", 1)),
    ]
