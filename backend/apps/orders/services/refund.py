"""Giving money back for an order whose payment came when nothing was left to sell."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.utils import timezone

from apps.core.remote import RemoteRejected
from apps.orders.models import Order, OrderStatus
from apps.orders.queries import order_locked
from apps.orders.services.apply import order_change, order_postpone
from apps.orders.services.return_rows import refund_rows_follow
from apps.orders.stripe_gateway import Refund, StripeGateway
from apps.sites.scope import site_scope

logger = logging.getLogger("posx.orders")

_OVER = frozenset({"failed", "canceled"})


def order_refund(order: Order) -> None:
    """ENTRY: refund what is not refunded yet and close the order once all of it is. Raises RemoteError.

    Stripe is asked for its refunds first: the key of a create is forgotten after 24 h, and a repeated create
    answers its first words for as long as it is known. One that waits for a person is only looked at.
    """
    refunds = StripeGateway.from_settings().list_refunds(order.payment_intent_id)
    missing_minor = order.amount_minor - sum(one.amount_minor for one in refunds if one.status not in _OVER)
    if missing_minor > 0 and order.problem_code:
        return  # a person has to give it back, and has not
    if missing_minor > 0 and any(refund.status in _OVER for refund in refunds):
        _needs_person(order, "refund_failed")
        return
    if missing_minor > 0:
        made = _refund_create(order, missing_minor)
        if made is None:
            return
        refunds = [*refunds, made]
    _finish(order, refunds)


def _refund_create(order: Order, amount_minor: int) -> Refund | None:
    try:
        return StripeGateway.from_settings().create_refund(
            intent_id=order.payment_intent_id,
            amount_minor=amount_minor,
            idempotency_key=f"refund-{order.id}",
        )
    except RemoteRejected as refusal:
        if refusal.code == "charge_already_refunded":
            order_postpone(order)  # somebody else's refund came first: the next look counts it
        else:
            _needs_person(order, "refund_rejected")
        return None


def _finish(order: Order, refunds: Sequence[Refund]) -> None:
    refunded_minor = sum(refund.amount_minor for refund in refunds if refund.status == "succeeded")
    if refunded_minor < order.amount_minor:
        order_postpone(order)
        return
    with site_scope():
        locked = order_locked(order_id=order.id)
        if locked is None or locked.status != OrderStatus.REFUND_DUE:
            return
        refund_rows_follow(locked, refunds)
        order_change(
            locked,
            status=OrderStatus.REFUNDED,
            refunded_minor=locked.amount_minor,
            closed_at=timezone.now(),
            next_check_at=None,
            problem_code="",
        )


def _needs_person(order: Order, problem_code: str) -> None:
    with site_scope():
        locked = order_locked(order_id=order.id)
        if locked is None or locked.status != OrderStatus.REFUND_DUE:
            return
        order_change(locked, problem_code=problem_code, next_check_at=None)
    logger.error("Order %s needs a person: %s", order.id, problem_code)
