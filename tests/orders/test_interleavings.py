"""Every order in which expiry, cancellation, payment, event and sweeper can come, on real rows and the sandbox.

What happens inside of one of them while another comes in between is in test_races.py.
"""

from __future__ import annotations

import os
from datetime import datetime

import pytest

from apps.orders.models import Order, OrderStatus
from apps.orders.services import apply
from apps.orders.services.decide import Decision, Step, decide
from apps.orders.services.look import Look
from tests.factories import make_member
from tests.orders.interleaving import Interleaved, every_order
from tests.orders.scene import Sale

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")

IN_TIME = "hold_ends buyer_cancels card_pays event_comes sweeper_comes"
LATE = "closes_unseen buyer_cancels card_pays event_comes sweeper_comes"
BANK = "hold_ends buyer_cancels bank_begins bank_pays event_comes"
BANK_FAILS = "hold_ends buyer_cancels bank_begins bank_fails event_comes"
BANK_SWEPT = "hold_ends sweeper_comes bank_begins bank_pays event_comes"
LATE_BANK = "closes_unseen bank_begins bank_pays event_comes sweeper_comes"
# How many orders of each are played where not all are: INTERLEAVINGS=120 plays every one, in 5 minutes.
SAMPLE = int(os.environ.get("INTERLEAVINGS", "3"))


@pytest.mark.parametrize(
    ("names", "ends"),
    [
        pytest.param(IN_TIME, {"paid", "expired", "cancelled"}, id="card"),
        pytest.param(LATE, {"paid", "expired", "cancelled"}, id="late, stock is left"),
    ],
)
def test_in_every_order_money_becomes_tokens_or_goes_back(names: str, ends: set[str]) -> None:
    # Every end that can be was reached, so that the orders were not all the same
    assert ends_of(list(every_order(names))) == ends


@pytest.mark.parametrize(
    ("names", "is_scarce", "ends"),
    [
        pytest.param(LATE, True, {"paid", "refunded", "expired", "cancelled"}, id="late, nothing is left"),
        pytest.param(BANK, False, {"paid", "expired", "cancelled"}, id="bank pays"),
        pytest.param(BANK_SWEPT, False, {"paid", "expired"}, id="bank pays, swept"),
        pytest.param(BANK_FAILS, False, {"expired", "cancelled"}, id="bank fails"),
        pytest.param(LATE_BANK, True, {"paid", "refunded", "expired"}, id="late bank, nothing is left"),
    ],
)
def test_in_orders_drawn_from_all_the_units_are_gone_or_a_bank_pays(
    names: str, is_scarce: bool, ends: set[str]
) -> None:
    every = list(every_order(names))
    drawn = every[:: max(1, len(every) // SAMPLE)]
    seen = ends_of(drawn, is_scarce=is_scarce)
    assert seen == ends if len(drawn) == len(every) else seen and seen <= ends


def ends_of(orders: list[tuple[str, ...]], *, is_scarce: bool = False) -> set[str]:
    """Play each; the states in which they ended."""
    sale = Sale()
    other, seen = make_member(sale.site), set()
    for steps in orders:
        one = Interleaved(sale, other, is_scarce=is_scarce)
        try:
            one.play(steps)
        except AssertionError as error:
            raise AssertionError(f"{' > '.join(steps)}: {error}") from error
        seen.add(one.status)
    return seen


def test_a_banks_payment_holds_the_units_after_the_hold_until_its_last_word() -> None:
    sale = Sale()
    for last, end, units in (("bank_pays", "paid", (0, 2)), ("bank_fails", "expired", (0, 0))):
        one = Interleaved(sale, make_member(sale.site))
        one.bank_begins()
        one.hold_ends()
        one.sweeper_comes()
        assert (one.status, sale.units()[:2]) == ("pending", (2, 0))
        getattr(one, last)()
        one.event_comes()
        assert (one.status, sale.units()[:2]) == (end, units)


def test_control_giving_up_on_a_bank_when_the_hold_ends_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(order: Order, look: Look, now: datetime) -> Decision:
        if look.intent and look.intent.status == "processing" and order.expires_at <= now:
            return Decision(Step.CLOSE, closes_as=OrderStatus.EXPIRED)
        return decide(order, look, now)

    monkeypatch.setattr(apply, "decide", impatient)
    sale = Sale()
    with pytest.raises(AssertionError, match="not held"):
        Interleaved(sale, make_member(sale.site)).play(
            ["bank_begins", "hold_ends", "sweeper_comes", "bank_pays"]
        )


def test_control_a_late_payment_that_nobody_books_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(order: Order, look: Look, now: datetime) -> Decision:
        return decide(order, look, now) if order.status == "pending" else Decision(Step.REST)

    monkeypatch.setattr(apply, "decide", forgetful)
    sale = Sale()
    with pytest.raises(AssertionError):
        Interleaved(sale, make_member(sale.site)).play(["closes_unseen", "card_pays", "event_comes"])
