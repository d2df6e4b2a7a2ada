"""Forced races: what happens at once ends as if it had happened in some order."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from apps.idempotency.models import IdempotencyKey
from apps.orders.models import Order, OrderStatus
from apps.tiers.models import Tier
from apps.tiers.services import tier_sell
from apps.vesting.models import Allocation
from tests.clients import api_of
from tests.factories import in_site, make_member, make_wallet
from tests.orders.scene import (
    ORDERS,
    Parallel,
    Sale,
    fault,
    intent_of,
    intents,
    pay,
    row_held,
    wait_for_blocked,
    wait_for_fault,
)

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def allocations(sale: Sale) -> int:
    with in_site(sale.site):
        return Allocation.objects.count()


def test_two_workers_process_one_payment_at_once(admin_connection: Any) -> None:
    sale = Sale()
    order = sale.place()
    pay(order)

    with row_held(order):
        both = Parallel(lambda: sale.process(order), lambda: sale.process(order))
        wait_for_blocked(admin_connection, 2)

    assert [done.status for done in both.results()] == ["paid", "paid"]
    assert allocations(sale) == 1
    assert sale.units() == (0, 2, 0, 2)


def test_control_without_the_lock_the_units_are_sold_twice() -> None:
    """The negative control: two readers of `pending`, and a second reservation to take from."""
    sale = Sale()
    order, _other = sale.place(), sale.place()
    both_have_read = threading.Barrier(2, timeout=10)

    def naive() -> None:
        with in_site(sale.site):
            seen = Order.objects.get(id=order.id)
            both_have_read.wait()
            if seen.status == OrderStatus.PENDING:
                tier_sell(tier_id=seen.tier_id, buyer_id=seen.buyer_id, quantity_units=seen.quantity_units)

    assert Parallel(naive, naive).results() == [None, None]
    assert sale.units() == (0, 4, 0, 4)


def test_a_late_payment_processed_twice_at_once_takes_stock_once(admin_connection: Any) -> None:
    sale = Sale()
    order = sale.place()
    pay(order)
    sale.end_hold(order)
    # Closed in our rows only, as when a cancellation crossed the payment.
    with in_site(sale.site):
        Tier.objects.update(reserved_units=0)
    sale.change(order, status="expired")

    with row_held(order):
        both = Parallel(lambda: sale.process(order), lambda: sale.process(order))
        wait_for_blocked(admin_connection, 2)

    assert [done.status for done in both.results()] == ["paid", "paid"]
    assert allocations(sale) == 1
    assert sale.units()[:2] == (0, 2)


def test_a_cancellation_and_a_payment_at_once_the_payment_wins_at_stripe() -> None:
    sale = Sale()
    order = sale.place()
    fault("payment_intents.cancel", "slow", seconds=1.0)

    cancelling = Parallel(lambda: sale.client.post(f"{ORDERS}{order.id}/cancel/"))
    _wait_until_asked_to_cancel(sale, order)
    assert pay(order)["status"] == "succeeded"
    (answer,) = cancelling.results()

    assert (answer.status_code, answer.json()["code"]) == (409, "order_already_paid")
    assert sale.order(order.id).status == "paid"
    assert (allocations(sale), sale.units()) == (1, (0, 2, 0, 2))


def test_a_cancellation_and_a_payment_at_once_the_cancellation_wins_at_stripe() -> None:
    sale = Sale()
    order = sale.place()
    fault("payment_intents.confirm", "slow", seconds=1.0)

    paying = Parallel(lambda: pay(order))
    wait_for_fault()
    answer = sale.client.post(f"{ORDERS}{order.id}/cancel/")

    assert answer.status_code == 200
    assert paying.results()[0]["error"]["code"] == "payment_intent_unexpected_state"
    assert sale.process(order).status == "cancelled"
    assert (allocations(sale), sale.units()) == (0, (0, 0, 0, 0))


def test_an_expiry_and_a_payment_at_once() -> None:
    sale = Sale()
    order = sale.place()
    sale.end_hold(order)
    fault("payment_intents.cancel", "slow", seconds=1.0)

    expiring = Parallel(lambda: sale.process(order))
    wait_for_fault()
    assert pay(order)["status"] == "succeeded"

    assert expiring.results()[0].status == "paid"
    assert (allocations(sale), sale.units()) == (1, (0, 2, 0, 2))


def test_a_cancellation_and_a_worker_at_once(admin_connection: Any) -> None:
    sale = Sale()
    order = sale.place()
    sale.end_hold(order)

    with row_held(order):
        both = Parallel(lambda: sale.process(order), lambda: sale.client.post(f"{ORDERS}{order.id}/cancel/"))
        wait_for_blocked(admin_connection, 2)
    both.results()

    assert sale.order(order.id).status in ("expired", "cancelled")
    assert intent_of(order)["status"] == "canceled"
    assert sale.units() == (0, 0, 0, 0)


def test_one_key_sent_twice_at_once_makes_one_order() -> None:
    sale = Sale()
    fault("payment_intents.create", "slow", seconds=0.5)

    first = Parallel(lambda: sale.post("key-1"))
    wait_for_fault()
    second = sale.post("key-1")

    assert first.results()[0].status_code == 201
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_progress")
    assert sale.units() == (2, 0, 2, 0) and len(intents()) == 1


def test_a_repeat_after_the_lease_beside_the_first_request_ends_in_one_answer() -> None:
    sale = Sale()
    fault("payment_intents.create", "slow", seconds=0.5)

    first = Parallel(lambda: sale.post("key-1"))
    wait_for_fault()
    with in_site(sale.site):
        IdempotencyKey.objects.update(lease_until="2000-01-01T00:00:00Z")
    # Stripe answers 409 while the first call with the order's key runs: an unknown outcome, so 503.
    second = sale.post("key-1")
    (done,) = first.results()

    assert (done.status_code, second.status_code) == (201, 503)
    assert sale.post("key-1").json() == done.json()
    assert sale.units() == (2, 0, 2, 0) and len(intents()) == 1


def test_two_buyers_order_the_last_unit_at_once() -> None:
    sale = Sale(supply_units=2)
    other = make_member(sale.site)
    wallet = make_wallet(other)
    client = api_of(other)
    body = sale.body(wallet_id=str(wallet.id))

    both = Parallel(
        lambda: sale.post("key-1"),
        lambda: client.post(ORDERS, body, HTTP_IDEMPOTENCY_KEY="key-2"),
    ).results()

    assert sorted(answer.status_code for answer in both) == [201, 409]
    assert sale.units()[:2] == (2, 0)


def _wait_until_asked_to_cancel(sale: Sale, order: Order) -> None:
    wait_for_fault()
    assert sale.order(order.id).cancel_requested_at is not None
