"""Bringing an order to where Stripe's truth puts it: look, decide, do; again and again if need be."""

from __future__ import annotations

import logging
from uuid import UUID

from apps.core.remote import RemoteError, RemoteUnknown
from apps.orders.models import Order, OrderStatus
from apps.orders.queries import order_of_site
from apps.orders.services.apply import order_apply, order_postpone
from apps.orders.services.decide import CLOSED, Step
from apps.orders.services.look import Look, payment_look
from apps.orders.services.refund import order_refund
from apps.orders.services.returns import RETURNABLE, order_returns
from apps.orders.stripe_gateway import StripeGateway
from apps.sites.scope import bind_site, site_scope

logger = logging.getLogger("posx.orders")

CANCEL_TRIES = 3
PAID_ONCE = RETURNABLE | {OrderStatus.REFUND_DUE}


def order_process(*, site_id: UUID, order_id: UUID) -> int:
    """ENTRY for workers: settle one order; when Stripe cannot be asked, look again later.

    Safe to run twice, at once and late. An unknown order is nobody's work. Returns the seconds that Stripe asked
    to be left alone for, 0 when it did not.
    """
    with bind_site(site_id):
        with site_scope():
            order = order_of_site(order_id=order_id)
        if order is None:
            logger.warning("There is no order %s in this site", order_id)
            return 0
        try:
            order_check(order)
        except RemoteError as error:
            logger.warning("Order %s waits for Stripe: %s", order_id, error)
            pause_s = error.retry_after_s or 0
            order_postpone(order, at_least_s=pause_s)
            return pause_s
    return 0


def order_check(order: Order) -> None:
    """ENTRY: look at Stripe's truth for an order just read, and act on it. Raises RemoteError."""
    # Money goes back also while a person has to look: what they do at Stripe is followed.
    if order.status == OrderStatus.REFUND_DUE:
        order_refund(order)
        return
    if order.status in RETURNABLE:
        order_returns(order)
        return
    if order.problem_code or (order.status != OrderStatus.PENDING and order.status not in CLOSED):
        order_apply(order, Look())  # decides to rest
        return
    look = payment_look(order)
    for _ in range(CANCEL_TRIES):
        step = order_apply(order, look).step
        if step is Step.FULFIL:
            _returns_at_once(order)
        if step is not Step.CANCEL_FIRST:
            return
        assert look.intent is not None
        look = Look(StripeGateway.from_settings().cancel_intent(look.intent.id))
    raise RemoteUnknown("payment_intent_not_cancelled", f"order {order.id}")


def _returns_at_once(order: Order) -> None:
    with site_scope():
        paid = order_of_site(order_id=order.id)
    if paid is not None and paid.status == OrderStatus.PAID:
        order_returns(paid)
