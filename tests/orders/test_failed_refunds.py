"""A refund that the bank sends back: who lost tokens for it is owed something, until the money arrives after all."""

from __future__ import annotations

import pytest

from apps.orders.services import order_check_now, orders_sweep
from tests.orders.returns_scene import Returns
from tests.orders.scene import Sale, dispute, fail_refund, refund_at_stripe
from tests.orders.test_late_payment import closed_and_paid, take_all

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def test_a_part_that_the_bank_sends_back_is_for_a_person() -> None:
    sale = Returns()
    refund = refund_at_stripe(sale.paid, 500)
    sale.look()

    fail_refund(refund)
    order = sale.look()

    assert (order.status, order.refunded_minor, order.problem_code) == ("paid", 0, "refund_failed")
    assert sale.tokens()["revoked"] == 25


@pytest.mark.parametrize("amount_minor", [500, 2000])
def test_the_same_sum_given_back_again_ends_the_matter(amount_minor: int) -> None:
    sale = Returns()
    refund = refund_at_stripe(sale.paid, amount_minor)
    sale.look()
    fail_refund(refund)
    assert sale.look().problem_code == "refund_failed"

    # given only an event, whose bell rings for nobody
    refund_at_stripe(sale.paid, amount_minor)
    sale.bound(lambda: order_check_now(order_id=sale.paid.id))
    sale.bound(orders_sweep)

    order = sale.order(sale.paid.id)
    assert (order.refunded_minor, order.problem_code) == (amount_minor, "")
    assert sale.tokens()["revoked"] == amount_minor * 100 // 2000
    assert sorted(row.status for row in sale.refunds()) == ["failed", "succeeded"]


def test_a_late_payment_that_a_person_gave_back_is_closed() -> None:
    sale = Sale(supply_units=4)
    order = closed_and_paid(sale, "expired")
    take_all(sale)
    assert sale.process(order).status == "refund_due"
    fail_refund(refund_at_stripe(order, 2000))
    assert sale.process(order).problem_code == "refund_failed"
    assert sale.process(order).status == "refund_due"  # nothing is sent again by itself

    refund_at_stripe(order, 2000)
    sale.bound(lambda: order_check_now(order_id=order.id))
    sale.bound(orders_sweep)

    closed = sale.order(order.id)
    assert (closed.status, closed.problem_code, closed.refunded_minor) == ("refunded", "", 2000)


def test_a_dispute_of_an_order_that_nobody_had_to_look_at() -> None:
    sale = Returns()
    sale.change(sale.paid, next_check_at=None)  # as 180 days after the payment
    dispute(sale.paid)

    order = sale.look()

    assert order.status == "disputed"
    assert order.next_check_at is not None
