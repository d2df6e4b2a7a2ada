"""POST /api/v1/orders/{id}/cancel/: Stripe first, then the order and its units."""

from __future__ import annotations

from typing import Any

import pytest

from apps.orders.models import Order
from tests.factories import in_site
from tests.orders.scene import ORDERS, Sale, code, fault, intent_of, intents, pay, settle, stripe

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def cancel(sale: Sale, order: Order) -> Any:
    return sale.client.post(f"{ORDERS}{order.id}/cancel/")


def test_a_pending_order_is_cancelled_at_stripe_and_gives_its_units_back() -> None:
    sale = Sale()
    order = sale.place()

    answer = cancel(sale, order)

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert intent_of(order)["status"] == "canceled"
    assert sale.units() == (0, 0, 0, 0)
    assert sale.order(order.id).next_check_at is None


def test_cancelling_twice_answers_the_same() -> None:
    sale = Sale()
    order = sale.place()
    first = cancel(sale, order)
    again = cancel(sale, order)
    assert (again.status_code, again.json()) == (200, first.json())
    assert sale.units() == (0, 0, 0, 0)


def test_a_payment_that_came_first_wins() -> None:
    sale = Sale()
    order = sale.place()
    pay(order)
    assert code(cancel(sale, order)) == (409, "order_already_paid")
    assert sale.order(order.id).status == "paid"
    assert sale.units() == (0, 2, 0, 2)


def test_a_paid_order_cannot_be_cancelled() -> None:
    sale = Sale()
    order = sale.place()
    pay(order)
    sale.process(order)
    assert code(cancel(sale, order)) == (409, "order_already_paid")


def test_a_payment_in_progress_is_not_cancelled_and_forgets_the_wish() -> None:
    sale = Sale()
    order = sale.place()
    pay(order, "pm_usBankAccount_success")

    assert code(cancel(sale, order)) == (409, "payment_in_progress")

    waiting = sale.order(order.id)
    assert (waiting.status, waiting.cancel_requested_at) == ("pending", None)
    assert waiting.next_check_at is not None
    settle(order, "failed")
    assert sale.process(order).status == "pending"


def test_an_expired_order_is_closed_already() -> None:
    sale = Sale()
    order = sale.place()
    sale.end_hold(order)
    sale.process(order)
    assert code(cancel(sale, order)) == (409, "order_closed")


def test_an_order_under_review_is_left_to_its_person() -> None:
    sale = Sale()
    order = sale.place()
    stripe("POST", f"/v1/payment_intents/{order.payment_intent_id}", amount="1")
    pay(order)
    sale.process(order)
    assert code(cancel(sale, order)) == (409, "order_under_review")


def test_an_unknown_intent_is_learnt_first() -> None:
    sale = Sale()
    fault("payment_intents.create", "accept_then_hang", seconds=0.05)
    sale.post("key-1")
    with in_site(sale.site):
        order = Order.objects.get()
    assert cancel(sale, order).json()["status"] == "cancelled"
    assert [intent["status"] for intent in intents()] == ["canceled"]


@pytest.mark.parametrize("kind", ["accept_then_hang", "hang_before"])
def test_an_unknown_outcome_is_503_and_a_worker_finishes_it(kind: str) -> None:
    sale = Sale()
    order = sale.place()
    fault("payment_intents.cancel", kind, seconds=0.05)

    assert code(cancel(sale, order)) == (503, "payment_provider_unavailable")
    waiting = sale.order(order.id)
    assert waiting.status == "pending" and waiting.next_check_at is not None

    assert sale.process(order).status == "cancelled"
    assert sale.units() == (0, 0, 0, 0)


def test_an_order_cancelled_at_stripe_by_an_event_in_between_is_cancelled_not_failed() -> None:
    sale = Sale()
    order = sale.place()
    fault("payment_intents.cancel", "accept_then_hang", seconds=0.05)
    cancel(sale, order)
    assert intent_of(order)["status"] == "canceled"
    assert sale.process(order).status == "cancelled"
    assert cancel(sale, order).status_code == 200
