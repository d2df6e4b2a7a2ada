"""Properties of every kind of terms, for amounts up to 2**256 - 1."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from apps.vesting.schedule import MAX_BASE_UNITS, Accrual, Remainders, TermsError, accrual_of, terms_read
from apps.vesting.schedule.remainders import split

START = datetime(2027, 1, 31, 13, 5, 7, tzinfo=UTC)
totals = st.integers(1, 10**4) | st.integers(10**6, MAX_BASE_UNITS) | st.just(MAX_BASE_UNITS)
seconds = st.integers(-1_000, 400 * 86_400)
remainders = st.sampled_from(Remainders)
spans = st.fixed_dictionaries(
    {"count": st.integers(1, 3), "unit": st.sampled_from(["day", "week", "month", "quarter", "year"])}
)
cliffs = st.none() | st.one_of(
    st.fixed_dictionaries({"after": spans, "pays": st.sampled_from(["accrued", "nothing"])}),
    st.fixed_dictionaries(
        {"after": spans, "pays": st.just("percentage"), "basis_points": st.integers(1, 10_000)}
    ),
)
calendar = st.fixed_dictionaries(
    {"kind": st.just("calendar"), "parts": st.integers(1, 40), "period": spans, "cliff": cliffs}
)
linear = st.fixed_dictionaries(
    {
        "kind": st.just("linear"),
        "lasts": spans | st.fixed_dictionaries({"seconds": st.integers(1, 10**8)}),
        "cliff": cliffs,
    }
)


@st.composite
def clocks(draw: st.DrawFn, kinds: Any) -> dict[str, Any]:
    if draw(st.booleans()):
        count = draw(st.integers(1, 5))
        made = [{"date": f"{2028 + k}-02-28", "share": {"basis_points": 1_000}} for k in range(count)]
        return {"tranches": [*made, {"date": "2040-02-29", "share": "rest"}]}
    segments = draw(st.lists(kinds, min_size=1, max_size=3))
    shares: list[Any] = [{"basis_points": draw(st.integers(1, 3_000))} for _ in segments[1:]]
    at_start = draw(st.none() | st.just({"basis_points": draw(st.integers(1, 3_000))}))
    return {
        "at_start": at_start,
        "segments": [s | {"share": w} for s, w in zip(segments, [*shares, "rest"], strict=True)],
    }


@st.composite
def accruals(draw: st.DrawFn, kinds: Any = calendar | linear) -> Accrual:
    value = {
        "version": 2,
        "time_zone": draw(st.sampled_from(["UTC", "Asia/Taipei", "America/New_York", "Pacific/Apia"])),
        "remainders": draw(remainders).value,
        "vesting": draw(clocks(kinds)),
        "unlock": draw(st.none() | clocks(kinds)),
    }
    try:
        return accrual_of(draw(totals), terms_read(value), START)
    except TermsError as refusal:
        # Anything else would be a fault of the generator or of the arithmetic.
        assert refusal.code in {"cliff_beyond_end", "amount_below_parts"}
        assume(False)
        raise


@given(total=totals, count=st.integers(1, 300), names=remainders)
def test_each_name_shares_out_the_whole_and_nothing_negative(
    total: int, count: int, names: Remainders
) -> None:
    parts = split(total, count, names)
    assert sum(parts) == total and len(parts) == count and min(parts) >= total // count


@given(made=accruals(), at=st.lists(seconds, min_size=2, max_size=20))
def test_what_is_payable_never_falls_and_ends_at_the_whole(made: Accrual, at: list[int]) -> None:
    looks = [START + timedelta(seconds=each) for each in sorted(at)]
    payable = [made.payable_at(each) for each in [*looks, made.ends_at()]]
    assert payable[:-1] == sorted(payable[:-1])
    assert payable[0] >= 0 and max(payable) == payable[-1] == made.total_base_units
    assert made.payable_at(made.first_at() - timedelta(seconds=1)) == 0


@given(made=accruals(calendar))
def test_dated_parts_are_the_curve_and_sum_to_the_total(made: Accrual) -> None:
    parts = made.parts()
    assert sum(part.amount_base_units for part in parts) == made.total_base_units
    assert min(part.amount_base_units for part in parts) > 0
    assert all(a.unlock_at < b.unlock_at and a.index < b.index for a, b in pairwise(parts))
    until = 0
    for part in parts:
        assert made.payable_at(part.unlock_at - timedelta(microseconds=1)) == until
        until += part.amount_base_units
        assert made.payable_at(part.unlock_at) == until


@given(made=accruals(), at=st.lists(seconds, min_size=1, max_size=20))
def test_claims_do_not_depend_on_when_and_how_often_they_are_made(made: Accrual, at: list[int]) -> None:
    claimed = 0
    for each in at:
        claimed += max(0, made.payable_at(START + timedelta(seconds=each)) - claimed)
    assert claimed == made.payable_at(START + timedelta(seconds=max(at)))
