"""Arithmetic of a vesting schedule: published examples, then properties over the whole range."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.vesting.schedule import (
    MAX_BASE_UNITS,
    MAX_PARTS,
    Part,
    PeriodUnit,
    Terms,
    TermsError,
    parts_of,
    vested_at,
)

JANUARY_31 = datetime(2027, 1, 31, tzinfo=UTC)


def dates(parts: list[Part]) -> list[str]:
    return [f"{part.unlock_at:%Y-%m-%d}" for part in parts]


def amounts(parts: list[Part]) -> list[int]:
    return [part.amount_base_units for part in parts]


# Published examples


def test_months_are_counted_from_the_start_not_from_the_last_date() -> None:
    # Issue 5: 31 January + 1..6 months.
    parts = parts_of(600, Terms(parts=6), JANUARY_31)
    assert dates(parts) == [
        "2027-02-28",
        "2027-03-31",
        "2027-04-30",
        "2027-05-31",
        "2027-06-30",
        "2027-07-31",
    ]


def test_a_leap_year_gives_29_february() -> None:
    assert dates(parts_of(2, Terms(parts=2), datetime(2028, 1, 31, tzinfo=UTC))) == [
        "2028-02-29",
        "2028-03-31",
    ]


def test_a_start_on_29_february_falls_back_to_28_and_returns_in_the_next_leap_year() -> None:
    terms = Terms(parts=4, period_unit=PeriodUnit.YEAR)
    parts = parts_of(4, terms, datetime(2028, 2, 29, tzinfo=UTC))
    assert dates(parts) == ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]


def test_the_century_rule_of_leap_years_holds() -> None:
    assert dates(parts_of(1, Terms(parts=1), datetime(2100, 1, 31, tzinfo=UTC))) == ["2100-02-28"]


def test_18_over_4_rounds_down_cumulatively() -> None:
    # Open Cap Format, cumulative round-down: 4-5-4-5.
    assert amounts(parts_of(18, Terms(parts=4), JANUARY_31)) == [4, 5, 4, 5]


# Cliff and start


def test_a_month_cliff_and_month_periods_add_up_before_the_day_is_clamped() -> None:
    # Clamping at the cliff (28 February) first would give 28 March.
    parts = parts_of(2, Terms(cliff_count=1, parts=2), JANUARY_31)
    assert dates(parts) == ["2027-03-31", "2027-04-30"]


def test_a_year_cliff_and_quarters_add_up_in_months() -> None:
    terms = Terms(cliff_count=1, cliff_unit=PeriodUnit.YEAR, parts=2, period_unit=PeriodUnit.QUARTER)
    assert dates(parts_of(2, terms, datetime(2027, 8, 31, tzinfo=UTC))) == ["2028-11-30", "2029-02-28"]


def test_a_day_cliff_is_added_after_the_months() -> None:
    terms = Terms(cliff_count=10, cliff_unit=PeriodUnit.DAY, parts=1)
    assert dates(parts_of(1, terms, JANUARY_31)) == ["2027-03-10"]


def test_weeks_of_two_are_fourteen_days() -> None:
    terms = Terms(parts=2, period_count=2, period_unit=PeriodUnit.WEEK)
    assert dates(parts_of(2, terms, JANUARY_31)) == ["2027-02-14", "2027-02-28"]


def test_nothing_unlocks_on_the_day_the_cliff_ends() -> None:
    parts = parts_of(12, Terms(cliff_count=6, parts=12), JANUARY_31)
    assert vested_at(parts, datetime(2027, 7, 31, tzinfo=UTC)) == 0
    assert parts[0].unlock_at == datetime(2027, 8, 31, tzinfo=UTC)


def test_the_percentage_at_start_is_part_zero_and_the_rest_follows() -> None:
    parts = parts_of(1_000, Terms(tge_basis_points=1_000, cliff_count=6, parts=2), JANUARY_31)
    assert [(part.index, part.amount_base_units) for part in parts] == [(0, 100), (1, 450), (2, 450)]
    assert parts[0].unlock_at == JANUARY_31


def test_all_at_the_start_needs_no_parts() -> None:
    assert parts_of(7, Terms(tge_basis_points=10_000), JANUARY_31) == [Part(0, JANUARY_31, 7)]


def test_the_time_of_day_is_kept() -> None:
    start = datetime(2027, 1, 31, 13, 5, 7, 11, tzinfo=UTC)
    assert parts_of(1, Terms(parts=1), start)[0].unlock_at == datetime(2027, 2, 28, 13, 5, 7, 11, tzinfo=UTC)


def test_parts_of_nothing_are_left_out_and_keep_their_places() -> None:
    parts = parts_of(2, Terms(parts=4), JANUARY_31)
    assert [(part.index, part.amount_base_units) for part in parts] == [(2, 1), (4, 1)]


# Refusals


@pytest.mark.parametrize(
    ("given_terms", "code"),
    [
        ({"tge_basis_points": -1, "parts": 1}, "tge_basis_points_out_of_range"),
        ({"tge_basis_points": 10_001, "parts": 1}, "tge_basis_points_out_of_range"),
        ({"tge_basis_points": 12.5, "parts": 1}, "tge_basis_points_not_whole"),
        ({"tge_basis_points": 9_999, "parts": 0}, "parts_missing"),
        ({"parts": MAX_PARTS + 1}, "parts_out_of_range"),
        ({"parts": True}, "parts_not_whole"),
        ({"parts": 1, "period_count": 0}, "period_count_out_of_range"),
        ({"parts": 1, "cliff_count": -1}, "cliff_count_out_of_range"),
        ({"parts": 1, "period_unit": "fortnight"}, "period_unit_unknown"),
        ({"parts": 1, "cliff_unit": ""}, "cliff_unit_unknown"),
        ({"parts": 10_000, "period_unit": "year"}, "span_too_long"),
    ],
)
def test_terms_that_contradict_themselves_are_refused(given_terms: dict[str, object], code: str) -> None:
    with pytest.raises(TermsError) as refusal:
        Terms(**given_terms)  # type: ignore[arg-type]
    assert refusal.value.code == code


def test_units_may_come_as_the_text_of_a_row() -> None:
    assert Terms(parts=1, period_unit="week").period_unit is PeriodUnit.WEEK  # type: ignore[arg-type]


@pytest.mark.parametrize("total", [0, -1, MAX_BASE_UNITS + 1])
def test_a_total_outside_uint256_is_refused(total: int) -> None:
    with pytest.raises(TermsError, match="between 1"):
        parts_of(total, Terms(parts=1), JANUARY_31)


@pytest.mark.parametrize(
    "start",
    [datetime(2027, 1, 31), datetime(2027, 1, 31, tzinfo=timezone(timedelta(hours=8)))],  # noqa: DTZ001
)
def test_a_start_that_is_not_utc_is_refused(start: datetime) -> None:
    with pytest.raises(TermsError) as refusal:
        parts_of(1, Terms(parts=1), start)
    assert refusal.value.code == "start_not_utc"


def test_a_date_after_the_calendars_end_is_refused_by_name() -> None:
    with pytest.raises(TermsError) as refusal:
        parts_of(1, Terms(parts=1), datetime(9999, 12, 31, tzinfo=UTC))
    assert refusal.value.code == "date_out_of_range"


# Properties

totals = st.one_of(st.integers(1, 50), st.integers(1, MAX_BASE_UNITS), st.just(MAX_BASE_UNITS))
starts = st.datetimes(datetime(2000, 1, 1), datetime(2400, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
units = st.sampled_from(PeriodUnit)


@st.composite
def terms_strategy(draw: st.DrawFn) -> Terms:
    basis_points = draw(st.sampled_from([0, 1, 3_333, 9_999, 10_000]) | st.integers(0, 10_000))
    return Terms(
        tge_basis_points=basis_points,
        cliff_count=draw(st.integers(0, 60)),
        cliff_unit=draw(units),
        parts=draw(st.integers(0 if basis_points == 10_000 else 1, 120)),
        period_count=draw(st.integers(1, 6)),
        period_unit=draw(units),
    )


@given(total=totals, terms=terms_strategy(), start=starts)
def test_parts_sum_to_the_total_exactly_and_none_is_empty(total: int, terms: Terms, start: datetime) -> None:
    parts = parts_of(total, terms, start)
    assert sum(amounts(parts)) == total
    assert min(amounts(parts)) > 0


@given(total=totals, terms=terms_strategy(), start=starts)
def test_dates_rise_strictly_and_never_precede_the_start(total: int, terms: Terms, start: datetime) -> None:
    parts = parts_of(total, terms, start)
    assert all(a.unlock_at < b.unlock_at and a.index < b.index for a, b in pairwise(parts))
    assert parts[0].unlock_at >= start


@given(
    total=totals, terms=terms_strategy(), start=starts, days=st.lists(st.integers(-400, 40_000), min_size=2)
)
def test_vested_never_falls_and_never_exceeds_the_total(
    total: int, terms: Terms, start: datetime, days: list[int]
) -> None:
    parts = parts_of(total, terms, start)
    vested = [vested_at(parts, start + timedelta(days=day)) for day in sorted(days)]
    assert vested == sorted(vested)
    assert vested[0] >= 0 and vested[-1] <= total
    assert vested_at(parts, parts[-1].unlock_at) == total


@given(total=totals, terms=terms_strategy(), start=starts)
def test_equal_parts_differ_by_one_base_unit_at_most(total: int, terms: Terms, start: datetime) -> None:
    by_index = dict.fromkeys(range(1, terms.parts + 1), 0)
    by_index |= {part.index: part.amount_base_units for part in parts_of(total, terms, start) if part.index}
    assert max(by_index.values(), default=0) - min(by_index.values(), default=0) <= 1


@given(terms=terms_strategy(), start=starts, fewer=st.integers(1, 120))
def test_a_parts_date_does_not_depend_on_how_many_parts_there_are(
    terms: Terms, start: datetime, fewer: int
) -> None:
    shorter = Terms(
        tge_basis_points=terms.tge_basis_points,
        cliff_count=terms.cliff_count,
        cliff_unit=terms.cliff_unit,
        parts=min(fewer, terms.parts),
        period_count=terms.period_count,
        period_unit=terms.period_unit,
    )
    long_dates = {part.index: part.unlock_at for part in parts_of(MAX_BASE_UNITS, terms, start)}
    for part in parts_of(MAX_BASE_UNITS, shorter, start):
        assert long_dates[part.index] == part.unlock_at


@given(
    total=totals,
    terms=terms_strategy(),
    start=starts,
    looks=st.lists(st.integers(0, 20_000), min_size=1, max_size=20),
)
def test_what_is_released_does_not_depend_on_when_and_how_often_one_looks(
    total: int, terms: Terms, start: datetime, looks: list[int]
) -> None:
    parts = parts_of(total, terms, start)
    released: dict[int, int] = {}
    for day in looks:
        released |= {
            p.index: p.amount_base_units for p in parts if p.unlock_at <= start + timedelta(days=day)
        }
    assert sum(released.values()) == vested_at(parts, start + timedelta(days=max(looks)))


@settings(max_examples=5, deadline=None)
@given(total=st.integers(MAX_PARTS, MAX_BASE_UNITS))
def test_ten_thousand_parts_are_exact(total: int) -> None:
    parts = parts_of(total, Terms(parts=MAX_PARTS, period_unit=PeriodUnit.DAY), JANUARY_31)
    assert len(parts) == MAX_PARTS
    assert sum(amounts(parts)) == total
