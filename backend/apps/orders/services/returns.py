"""Money that goes back after an order was paid: refunds and disputes, and what follows for its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.core.remote import RemoteError, RemoteRejected
from apps.orders.models import Order, OrderStatus, Refund, RefundStatus
from apps.orders.queries import order_locked
from apps.orders.services.apply import OrderMoved, order_change, order_reschedule
from apps.orders.services.decide import next_check
from apps.orders.services.return_rows import (
    Returned,
    dispute_rows_follow,
    refund_refused,
    refund_rows_follow,
    returned_of,
)
from apps.orders.stripe_gateway import Dispute as StripeDispute
from apps.orders.stripe_gateway import Refund as StripeRefund
from apps.orders.stripe_gateway import StripeGateway
from apps.sites.scope import site_scope
from apps.tiers.services import tier_take_back
from apps.vesting.freezing import allocation_freeze, allocation_thaw
from apps.vesting.revocation import (
    all_taken_back,
    allocation_revoke_part,
    more_taken_back,
)

REFUND_FAILED = "refund_failed"
RETURNABLE = frozenset({OrderStatus.PAID, OrderStatus.DISPUTED, OrderStatus.REFUNDED})
# A bank decides within weeks; its event comes at once, this look is for events that never come.
DISPUTE_PAUSE = timedelta(hours=1)
# Disputes may be opened for 120 days, by some banks for longer. Looks at 1, 2, 4, 8, ... days cost little.
QUIET_PAUSE, QUIET_UNTIL = timedelta(days=1), timedelta(days=180)


def order_returns(order: Order) -> None:
    """ENTRY: bring refunds and disputes of an order just read to Stripe's truth, and its tokens with them.

    Refunds that were asked for here are made, each once. Raises RemoteError, after what is known was written.
    """
    gateway = StripeGateway.from_settings()
    refunds = gateway.list_refunds(order.payment_intent_id)
    made, failure = _send(order, refunds)
    disputes = gateway.list_disputes(order.payment_intent_id)
    returns_apply(order, [*refunds, *made], disputes)
    if failure is not None:
        raise failure


def returns_apply(seen: Order, refunds: Sequence[StripeRefund], disputes: Sequence[StripeDispute]) -> None:
    """ENTRY: rows, tokens, units and state of an order by what Stripe said. Safe twice, at once and late."""
    with site_scope():
        order = order_locked(order_id=seen.id)
        if order is None:
            raise OrderMoved(f"order {seen.id} is gone")
        if order.status not in RETURNABLE:
            return
        refund_rows_follow(order, refunds)
        dispute_rows_follow(order, disputes)
        returned = returned_of(order)
        status = _status(order, returned)
        waiting = _tokens_follow(order, returned, status)
        _order_follow(order, returned, status)
        order.status = status
        order_reschedule(order, seen, next_check_at=_next_look(order, returned, waiting, timezone.now()))


def _send(order: Order, known: Sequence[StripeRefund]) -> tuple[list[StripeRefund], RemoteError | None]:
    """Make the refunds that were asked for and are not among ``known``; the first unknown outcome, if any."""
    with site_scope() as site_id:
        asked = list(
            Refund.objects.filter(site_id=site_id, order_id=order.id, status=RefundStatus.REQUESTED).order_by(
                "id"
            )
        )
    there = {refund.row_id for refund in known}
    made, failure = [], None
    for row in asked:
        if str(row.id) in there:
            continue
        try:
            made.append(_refund_create(order, row))
        except RemoteRejected as refusal:
            with site_scope():
                order_locked(order_id=order.id)
                refund_refused(row, refusal.code)
        except RemoteError as error:
            failure = failure or error
    return made, failure


def _refund_create(order: Order, row: Refund) -> StripeRefund:
    return StripeGateway.from_settings().create_refund(
        intent_id=order.payment_intent_id,
        amount_minor=row.amount_minor,
        idempotency_key=f"refund-{row.id}",
        row_id=row.id,
    )


def _status(order: Order, returned: Returned) -> OrderStatus:
    if order.status == OrderStatus.REFUNDED or returned.total_minor >= order.amount_minor:
        return OrderStatus.REFUNDED
    return OrderStatus.DISPUTED if returned.is_disputed else OrderStatus.PAID


def _tokens_follow(order: Order, returned: Returned, status: OrderStatus) -> int:
    """Revoke, freeze or thaw; base units that are on their way out and will be decided later."""
    if order.allocation_id is None:
        return 0
    waiting = 0
    for cause, total_minor in returned.causes:
        waiting = allocation_revoke_part(
            allocation_id=order.allocation_id,
            returned_minor=total_minor,
            paid_minor=order.amount_minor,
            cause=cause,
        ).waiting
    if status is OrderStatus.DISPUTED:
        return waiting + allocation_freeze(allocation_id=order.allocation_id)
    if order.status == OrderStatus.DISPUTED and status is OrderStatus.PAID:
        allocation_thaw(allocation_id=order.allocation_id)
    return waiting


def _order_follow(order: Order, returned: Returned, status: OrderStatus) -> None:
    changes: dict[str, Any] = {
        "refunded_minor": returned.refunded_minor,
        "lost_minor": returned.lost_minor,
        "problem_code": _problem(order, returned),
    }
    if status != order.status:
        changes["status"] = status
        if status is OrderStatus.REFUNDED:
            changes["closed_at"] = timezone.now()
    if status is OrderStatus.DISPUTED and order.next_check_at is None:
        changes["next_check_at"] = timezone.now()  # a quiet order that opens again has to be due
    if status is OrderStatus.REFUNDED and _units_go_back(order):
        tier_take_back(tier_id=order.tier_id, buyer_id=order.buyer_id, quantity_units=order.quantity_units)
        changes["units_taken_back"] = True
    if any(getattr(order, name) != value for name, value in changes.items()):
        order_change(order, **changes)


def _problem(order: Order, returned: Returned) -> str:
    """Who lost tokens for money that the bank sent back is owed something, until it has gone back after all."""
    if order.problem_code not in ("", REFUND_FAILED):
        return order.problem_code
    if order.allocation_id is None:
        is_owed = order.status == OrderStatus.REFUNDED and returned.total_minor < order.amount_minor
    else:
        is_owed = more_taken_back(
            allocation_id=order.allocation_id,
            returned_minor=returned.total_minor,
            paid_minor=order.amount_minor,
        )
    return REFUND_FAILED if is_owed else ""


def _units_go_back(order: Order) -> bool:
    # Units whose tokens were sent stay sold: the site does not have these tokens any more. What is being sent
    # may still come back, and is revoked then: asked again at each look.
    if order.units_taken_back or order.allocation_id is None:
        return False
    return all_taken_back(allocation_id=order.allocation_id)


def _next_look(order: Order, returned: Returned, waiting: int, now: datetime) -> datetime | None:
    if waiting or returned.is_unsettled:
        return next_check(order, None, now)
    if order.status == OrderStatus.DISPUTED:
        return now + DISPUTE_PAUSE
    if order.status != OrderStatus.PAID or order.paid_at is None or now - order.paid_at > QUIET_UNTIL:
        return None
    return now + max(now - order.paid_at, QUIET_PAUSE)
