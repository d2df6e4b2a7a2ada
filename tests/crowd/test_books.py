"""What the books of a crowd must not hold, planted one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from devstack.crowd.books import Books, OrderRow, faults_of
from devstack.crowd.people import GREEDY_ORDERS, Habit, Sale, Wish, first_wave
from devstack.crowd.shopper import Told
from devstack.crowd.watch import Seen, Stock

RUSH, CLOSING = "rush-tier", "closing-tier"
CLOSES_AT_S = 1_800_000_000.0


def order_id(number: int, *, at_s: float = CLOSES_AT_S - 10) -> str:
    """A version 7 UUID of this time."""
    return str(UUID(int=(int(at_s * 1000) << 80) | (0x7 << 76) | (2 << 62) | number))


def row(number: int, **fields: Any) -> OrderRow:
    """A paid order of one unit of the rush."""
    good = OrderRow(order_id(number), RUSH, f"buyer-{number}", 1, "paid", "", 2500, 0, f"key-{number}")
    return replace(good, **fields)


def told(number: int, **fields: Any) -> Told:
    """An order that was made in time."""
    wish = Wish(number, fields.pop("sale", Sale.RUSH), 1, Habit.PAYS)
    good = Told(wish, f"key-{number}", 201, "", CLOSES_AT_S - 10, CLOSES_AT_S - 9, 1, order_id(number))
    return replace(good, **fields)


ROWS = [row(1), row(2), row(3, tier=CLOSING), row(4, status="expired")]
TOLD = [
    told(1),
    told(2),
    told(3, sale=Sale.CLOSING),
    told(4),
    told(5, sale=Sale.CLOSING, status=409, code="tier_closed", order_id="", answered_at_s=CLOSES_AT_S + 1),
]
GOOD = Books(
    rush=RUSH,
    closing=CLOSING,
    units=2,
    closes_at_s=CLOSES_AT_S,
    stocks={RUSH: Stock(2, 0, 2, 0, 2), CLOSING: Stock(100, 0, 1, 0, 1)},
    orders=ROWS,
    buyer_units={(RUSH, "buyer-1"): (0, 1), (RUSH, "buyer-2"): (0, 1), (CLOSING, "buyer-3"): (0, 1)},
    paid_minor={order_id(number): [2500] for number in (1, 2, 3)},
)
GREEDY = {(RUSH, "buyer-1"): (0, 4), (CLOSING, "buyer-3"): (0, 1)}


def test_good_books_have_no_fault() -> None:
    assert faults_of(GOOD, TOLD) == []


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ("oversold", {"stocks": {**GOOD.stocks, RUSH: Stock(1, 0, 1, 0, 2)}}),
        ("miscounted", {"stocks": {**GOOD.stocks, RUSH: Stock(2, 0, 1, 0, 2)}}),
        ("not given back", {"stocks": {**GOOD.stocks, RUSH: Stock(3, 1, 2, 1, 2)}}),
        ("sold 1 units instead of 2", {"stocks": {**GOOD.stocks, RUSH: Stock(2, 0, 1, 0, 1)}}),
        (
            "above the limit",
            {"orders": [row(1, units=2), row(2, units=2, buyer="buyer-1"), *ROWS[2:]], "buyer_units": GREEDY},
        ),
        ("miscounted: the counters of buyers", {"buyer_units": {}}),
        (
            "outside the window",
            {"orders": [*ROWS, row(6, id=order_id(6, at_s=CLOSES_AT_S + 1), tier=CLOSING)]},
        ),
        ("lost: order", {"paid_minor": {**GOOD.paid_minor, order_id(4): [2500]}}),
        ("is paid, and Stripe has no money", {"paid_minor": {order_id(1): [2500], order_id(2): [2500]}}),
        ("was paid [2500, 2500]", {"paid_minor": {**GOOD.paid_minor, order_id(1): [2500, 2500]}}),
        ("needs a person", {"orders": [*ROWS[:3], row(4, status="expired", problem="payment_mismatch")]}),
        ("confirmed to buyers are not there", {"orders": ROWS[:3]}),
        ("nobody was told of", {"orders": [*ROWS, row(6, status="expired")]}),
        ("verify_ledger", {"ledger": "1 violation"}),
    ],
)
def test_each_fault_is_named(fault: str, changes: dict[str, Any]) -> None:
    found = faults_of(replace(GOOD, **changes), TOLD)
    assert any(fault in one for one in found), found


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("was asked for after it", told(6, sale=Sale.CLOSING, sent_at_s=CLOSES_AT_S + 1)),
        ("was refused before it closed", told(6, sale=Sale.CLOSING, code="tier_closed", order_id="")),
        ("answered 500", told(6, status=500, code="internal_error", order_id="")),
    ],
)
def test_each_wrong_answer_is_named(fault: str, answer: Told) -> None:
    found = faults_of(GOOD, [*TOLD, answer])
    assert any(fault in one for one in found), found


@pytest.mark.parametrize(("key", "is_fault"), [("key-6", False), ("key-7", True)])
def test_an_order_may_be_of_whoever_asked_again_and_was_refused_but_of_nobody_else(
    key: str, is_fault: bool
) -> None:
    books = replace(GOOD, orders=[*ROWS, row(6, status="expired", key=key)])
    refused = told(6, tries=2, status=409, code="sold_out", order_id="")

    found = faults_of(books, [*TOLD, refused])

    assert any("nobody was told of" in one for one in found) is is_fault


def test_a_window_that_did_not_close_in_the_race_proves_nothing() -> None:
    assert any("did not close" in one for one in faults_of(GOOD, TOLD[:4]))


@pytest.mark.parametrize(
    ("fault", "stock", "above"),
    [
        ("oversold", Stock(2, 3, 0, 3, 0), 0),
        ("miscounted", Stock(9, 2, 0, 3, 0), 0),
        ("above the limit", Stock(9, 2, 0, 2, 0), 1),
    ],
)
def test_what_does_not_hold_in_the_middle_is_remembered(fault: str, stock: Stock, above: int) -> None:
    seen = Seen()
    seen.add({RUSH: stock}, above)
    seen.add({RUSH: Stock(9, 0, 0, 0, 0)}, 0)
    assert [one.partition(" in the race")[0] for one in seen.wrong] == [fault]
    assert (seen.looks, seen.peak) == (2, {RUSH: stock.held_by_orders})


def test_the_first_wave_is_the_same_for_a_seed_and_has_everybody() -> None:
    wave = first_wave(buyers=400, seed=3)
    assert wave == first_wave(buyers=400, seed=3) != first_wave(buyers=400, seed=4)
    assert {wish.buyer for wish in wave if wish.sale is Sale.RUSH} == set(range(400))
    assert {wish.habit for wish in wave} == set(Habit)
    # The orders of a greedy buyer are asked side by side
    places = [number for number, wish in enumerate(wave) if (wish.buyer, wish.sale) == _greedy(wave)]
    assert places == list(range(places[0], places[0] + GREEDY_ORDERS))


def _greedy(wave: list[Wish]) -> tuple[int, Sale]:
    return next((one.buyer, one.sale) for one in wave if wave.count(one) == GREEDY_ORDERS)
