"""What is due is found in rows: events that rang for nobody, holds that ended, refunds."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.orders.models import Order
from apps.orders.services import order_check_now, orders_sweep
from apps.orders.services.due import order_claim
from apps.orders.tasks import sweep_orders
from apps.tiers.models import Tier
from tests.factories import in_site
from tests.orders.scene import Parallel, Sale, fault, intents, pay, row_held, wait_for_fault

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def due(sale: Sale, order: Order, seconds: int = 1) -> None:
    sale.change(order, next_check_at=timezone.now() - timedelta(seconds=seconds))


def test_due_orders_of_all_sites_are_settled() -> None:
    sales = [Sale("NA"), Sale("ASIA")]
    orders = [sale.place() for sale in sales]
    for sale, order in zip(sales, orders, strict=True):
        pay(order)
        due(sale, order)

    assert sweep_orders() == 2

    assert [sale.order(order.id).status for sale, order in zip(sales, orders, strict=True)] == ["paid"] * 2
    assert sweep_orders() == 0


def test_what_is_not_due_is_left_alone() -> None:
    sale = Sale()
    pay(sale.place())
    assert sweep_orders() == 0


def test_an_order_that_died_before_its_intent_is_found() -> None:
    sale = Sale()
    fault("payment_intents.create", "hang_before", seconds=0.05)
    sale.post("key-1")
    with in_site(sale.site):
        order = Order.objects.get()
    due(sale, order)
    sweep_orders()
    assert sale.order(order.id).payment_intent_id == intents()[0]["id"]


def test_an_order_for_a_person_is_not_swept() -> None:
    sale = Sale()
    order = sale.place()
    due(sale, order)
    sale.change(order, problem_code="payment_mismatch")
    assert sale.bound(orders_sweep) == 0


def test_the_longest_due_come_first_and_no_more_than_the_limit() -> None:
    sale = Sale()
    orders = [sale.place(quantity_units=1) for _ in range(3)]
    for seconds, order in enumerate(orders, start=1):
        pay(order)
        due(sale, order, seconds)
    assert sale.bound(lambda: orders_sweep(limit=2)) == 2
    assert [sale.order(order.id).status for order in orders] == ["pending", "paid", "paid"]


def test_no_time_left_means_no_claim() -> None:
    sale = Sale()
    order = sale.place()
    due(sale, order)
    assert sale.bound(lambda: orders_sweep(budget_s=0)) == 0
    assert sale.order(order.id).check_attempts == 0


def test_stripe_failing_for_one_order_does_not_stop_the_others() -> None:
    sale = Sale()
    broken, good = sale.place(), sale.place()
    for order in (broken, good):
        pay(order)
    due(sale, broken, 10)
    due(sale, good, 5)
    fault("payment_intents.retrieve", "error_500_before")

    assert sale.bound(orders_sweep) == 2

    assert sale.order(good.id).status == "paid"
    left = sale.order(broken.id)
    assert (left.status, left.check_attempts) == ("pending", 1)
    assert left.next_check_at is not None and left.next_check_at > timezone.now()


def test_a_fault_of_ours_does_not_stop_the_others_either() -> None:
    sale = Sale(supply_units=100)
    broken, good = sale.place(quantity_units=50), sale.place(quantity_units=1)
    for order in (broken, good):
        pay(order)
    due(sale, broken, 10)
    due(sale, good, 5)
    # Units vanished behind its back: selling them is refused, whatever Stripe says.
    with in_site(sale.site):
        Tier.objects.update(reserved_units=1)

    assert sale.bound(orders_sweep) == 2

    assert sale.order(good.id).status == "paid"
    assert sale.order(broken.id).status == "pending"


def test_two_sweepers_never_claim_the_same_order() -> None:
    sale = Sale()
    order = sale.place()
    due(sale, order)
    start = threading.Barrier(2, timeout=10)

    def claim() -> Any:
        start.wait()
        return sale.bound(order_claim)

    claims = Parallel(claim, claim).results()

    assert sorted(claims, key=str) == sorted([(sale.site.id, order.id), None], key=str)
    assert sale.order(order.id).check_attempts == 1


def test_an_order_that_somebody_holds_is_passed_by() -> None:
    sale = Sale()
    held, free = sale.place(), sale.place()
    due(sale, held, 10)
    due(sale, free, 5)

    with row_held(held):
        (claimed,) = Parallel(lambda: sale.bound(order_claim)).results()

    assert claimed == (sale.site.id, free.id)


def test_a_claimed_order_comes_back_when_its_lease_ran_out() -> None:
    sale = Sale()
    order = sale.place()
    due(sale, order)
    assert sale.bound(order_claim) is not None
    assert sale.bound(order_claim) is None
    due(sale, order)
    assert sale.bound(order_claim) is not None


def test_an_event_makes_an_order_due_at_once() -> None:
    sale = Sale()
    order = sale.place()
    sale.change(order, check_attempts=7)
    assert sale.bound(lambda: order_check_now(order_id=order.id)) is True
    now_due = sale.order(order.id)
    assert now_due.next_check_at is not None and now_due.next_check_at <= timezone.now()
    assert now_due.check_attempts == 0


def test_an_event_for_an_order_of_another_site_or_none_finds_nothing() -> None:
    sale, other = Sale("NA"), Sale("ASIA")
    order = sale.place()
    assert other.bound(lambda: order_check_now(order_id=order.id)) is False
    assert sale.bound(lambda: order_check_now(order_id=uuid4())) is False


def test_an_event_leaves_an_order_for_a_person_with_them() -> None:
    sale = Sale()
    order = sale.place()
    sale.change(order, problem_code="payment_mismatch", next_check_at=None)
    assert sale.bound(lambda: order_check_now(order_id=order.id)) is True
    assert sale.order(order.id).next_check_at is None


def test_an_event_that_comes_while_stripe_is_asked_is_not_forgotten() -> None:
    sale = Sale()
    order = sale.place()
    fault("payment_intents.retrieve", "slow", seconds=0.5)

    asking = Parallel(lambda: sale.process(order))
    wait_for_fault()
    sale.bound(lambda: order_check_now(order_id=order.id))
    asking.results()

    still_due = sale.order(order.id).next_check_at
    assert still_due is not None and still_due <= timezone.now()
