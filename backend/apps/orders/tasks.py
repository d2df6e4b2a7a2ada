"""Doorbells of orders: ids in, one service call."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from apps.core.doorbells import ring
from apps.orders.services import order_process, orders_sweep
from apps.sites.tasks import FanOutTask, SiteTask, sweep_sites

SWEEP_ORDERS = "apps.orders.tasks.sweep_orders"


@shared_task(base=SiteTask, name="apps.orders.tasks.process_order")
def process_order(site_id: str, order_id: str) -> None:
    """Bring one order to where Stripe's truth puts it."""
    order_process(site_id=UUID(site_id), order_id=UUID(order_id))


@shared_task(base=FanOutTask, name=SWEEP_ORDERS)
def sweep_orders() -> int:
    """Settle due orders of all sites: holds that ran out, refunds, and events that nobody answered for."""
    handled, has_more = sweep_sites("orders", orders_sweep)
    if has_more:
        ring(SWEEP_ORDERS)
    return handled
