"""What is taken back is exact, whatever the amounts and however many steps it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.vesting.proportion import cuts_of, part_of

AMOUNTS = st.lists(st.integers(0, 2**200), min_size=1, max_size=40)


@given(AMOUNTS, st.data())
def test_cuts_sum_exactly_and_none_exceeds_its_amount(amounts: list[int], data: st.DataObject) -> None:
    take = data.draw(st.integers(0, sum(amounts)))
    cuts = cuts_of(amounts, take)
    assert sum(cuts) == take
    assert all(0 <= cut <= amount for cut, amount in zip(cuts, amounts, strict=True))


@given(AMOUNTS, st.data())
def test_a_cut_is_its_proportion_within_one_base_unit(amounts: list[int], data: st.DataObject) -> None:
    take = data.draw(st.integers(0, sum(amounts)))
    for amount, cut in zip(amounts, cuts_of(amounts, take), strict=True):
        assert abs(cut * sum(amounts) - amount * take) < sum(amounts) or sum(amounts) == 0


@given(AMOUNTS, st.lists(st.integers(0, 1000), min_size=1, max_size=12))
def test_any_sequence_of_partial_refunds_takes_what_one_would(amounts: list[int], refunds: list[int]) -> None:
    # given a payment that the refunds do not exceed
    paid, total, left = max(sum(refunds), 1), sum(amounts), list(amounts)
    taken = 0
    # when each takes the difference to its cumulative target from what is left
    for number in range(1, len(refunds) + 1):
        step = part_of(total, sum(refunds[:number]), paid) - taken
        left = [amount - cut for amount, cut in zip(left, cuts_of(left, step), strict=True)]
        taken += step
    # then the sum is that of one refund of everything
    assert taken == part_of(total, sum(refunds), paid)
    assert sum(left) + taken == total and min(left) >= 0


def test_everything_returned_takes_everything() -> None:
    assert part_of(2**256 - 1, 7, 7) == 2**256 - 1
    assert cuts_of([1, 0, 2**255], 2**255 + 1) == [1, 0, 2**255]


@pytest.mark.parametrize(("numerator", "denominator"), [(-1, 1), (2, 1), (0, 0)])
def test_what_is_no_part_is_refused(numerator: int, denominator: int) -> None:
    with pytest.raises(ValueError):
        part_of(10, numerator, denominator)


def test_more_than_there_is_is_refused() -> None:
    with pytest.raises(ValueError):
        cuts_of([1, 2], 4)
