"""Doorbells reach a real worker, and a payment becomes an allocation there."""

from __future__ import annotations

import pytest

from apps.core.context import acting_as
from apps.core.doorbells import ring
from apps.orders.services import order_check_now
from apps.orders.services.apply import PROCESS_ORDER, UNLOCK_DUE
from apps.orders.tasks import SWEEP_ORDERS
from apps.sites.scope import bind_site
from config.celery import app
from tests.orders.scene import Sale, pay
from tests.waiting import wait_until
from tests.workers import WorkerProcess

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def test_every_bell_that_orders_ring_has_a_task() -> None:
    app.loader.import_default_modules()
    assert {PROCESS_ORDER, UNLOCK_DUE, SWEEP_ORDERS} <= set(app.tasks)


def test_an_announced_payment_is_fulfilled_by_the_worker(celery_worker: WorkerProcess) -> None:
    sale = Sale()
    order = sale.place()
    pay(order)

    with acting_as("webhook", "stripe"), bind_site(sale.site.id):
        order_check_now(order_id=order.id)

    wait_until(lambda: sale.order(order.id).status == "paid", 15, "the worker has processed the order")
    assert f"Task {PROCESS_ORDER}[" in celery_worker.log_text()


def test_a_payment_that_nobody_announced_is_found_by_the_sweeper(celery_worker: WorkerProcess) -> None:
    sale = Sale()
    order = sale.place()
    pay(order)
    sale.end_hold(order)

    ring(SWEEP_ORDERS)

    wait_until(lambda: sale.order(order.id).status == "paid", 15, "the sweeper has found the order")
