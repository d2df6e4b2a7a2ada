"""One transaction that brings an order to where Stripe's truth puts it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.core.doorbells import ring
from apps.orders.models import Order, OrderStatus
from apps.orders.queries import order_locked
from apps.orders.services.decide import Decision, Step, decide, next_check
from apps.orders.services.look import Look
from apps.sites.scope import current_site_id, site_scope
from apps.tiers.services import tier_give_back, tier_sell, tier_sell_from_stock
from apps.vesting.services import allocation_grant

logger = logging.getLogger("posx.orders")

PROCESS_ORDER = "apps.orders.tasks.process_order"
UNLOCK_DUE = "apps.vesting.tasks.unlock_due"


class OrderMoved(RuntimeError):
    """A locked order was not in the state it was read in: a fault of ours."""


def order_apply(seen: Order, look: Look) -> Decision:
    """Lock the order, decide by its present state and ``look``, and do it.

    ``seen`` is the order as it was before Stripe was asked. CANCEL_FIRST is left to the caller. Running twice
    or at once changes nothing more: the second decides by what the first has written.
    """
    with site_scope():
        order = order_locked(order_id=seen.id)
        if order is None:
            raise OrderMoved(f"order {seen.id} is gone")
        now = timezone.now()
        if look.intent is not None and not order.payment_intent_id:
            order_change(order, payment_intent_id=look.intent.id)
        decision = decide(order, look, now)
        match decision.step:
            case Step.FULFIL:
                _fulfil(order, now)
            case Step.CLOSE:
                _close(order, decision.closes_as, now)
            case Step.REVIEW:
                _review(order, look, decision.problem_code)
            case Step.WAIT:
                # A buyer who is told that a payment is in progress has not cancelled.
                later = next_check(order, look, now)
                order_reschedule(order, seen, next_check_at=later, cancel_requested_at=None)
            case Step.REST:
                order_reschedule(order, seen, next_check_at=None)
        return decision


def order_postpone(seen: Order, *, at_least_s: int = 0) -> None:
    """Look again later, after the pause that Stripe asked for; not if somebody asked for a look in the meantime."""
    now = timezone.now()
    later = max(next_check(seen, None, now), now + timedelta(seconds=at_least_s))
    with site_scope():
        order_reschedule(seen, seen, next_check_at=later)


def order_change(order: Order, **fields: Any) -> None:
    """STEP: write these columns of an order that still has the status it was read with. Raises OrderMoved."""
    changed = Order.objects.filter(site_id=current_site_id(), id=order.id, status=order.status)
    if changed.update(**fields) != 1:
        raise OrderMoved(f"order {order.id} is not {order.status} any more")


def _fulfil(order: Order, now: datetime) -> None:
    units: dict[str, Any] = {
        "tier_id": order.tier_id,
        "buyer_id": order.buyer_id,
        "quantity_units": order.quantity_units,
    }
    if order.status == OrderStatus.PENDING:
        tier_sell(**units)
    elif not tier_sell_from_stock(**units):
        order_change(order, status=OrderStatus.REFUND_DUE, next_check_at=now, check_attempts=0)
        ring(PROCESS_ORDER, str(order.site_id), str(order.id))
        return
    allocation = allocation_grant(
        asset_id=order.tier.asset_id,
        beneficiary_id=order.buyer_id,
        policy_id=order.policy_id,
        amount_base_units=order.tokens_base_units,
        source_kind="order",
        source_id=order.id,
        starts_at=now,
    )
    order_change(
        order,
        status=OrderStatus.PAID,
        allocation_id=allocation.id,
        paid_at=now,
        closed_at=None,
        # Money may have gone back already, and its event may have come before this one.
        next_check_at=now,
        check_attempts=0,
    )
    ring(UNLOCK_DUE)


def _close(order: Order, status: OrderStatus, now: datetime) -> None:
    tier_give_back(tier_id=order.tier_id, buyer_id=order.buyer_id, quantity_units=order.quantity_units)
    order_change(order, status=status, closed_at=now, next_check_at=None)


def _review(order: Order, look: Look, problem_code: str) -> None:
    order_change(order, problem_code=problem_code, next_check_at=None)
    logger.error(
        "Order %s needs a person: %s (PaymentIntent %s)",
        order.id,
        problem_code,
        look.intent.id if look.intent else order.payment_intent_id,
    )


def order_reschedule(order: Order, seen: Order, **fields: Any) -> None:
    """STEP: write when to look again, unless somebody has asked for a look since ``seen`` was read."""
    # Who asked for a look while we were at Stripe knows more than our answer does: their date stays.
    Order.objects.filter(
        site_id=current_site_id(), id=order.id, status=order.status, next_check_at=seen.next_check_at
    ).update(**fields)
