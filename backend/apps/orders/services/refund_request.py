"""Staff ask for a refund: the row is the intent, and a worker takes it to Stripe."""

from __future__ import annotations

from uuid import UUID

from django.db.models.functions import Now

from apps.core.doorbells import ring
from apps.orders import problems
from apps.orders.models import Order, OrderStatus, Refund, RefundOrigin
from apps.orders.queries import order_locked, refund_left_minor
from apps.orders.services.apply import PROCESS_ORDER, order_change
from apps.sites.scope import current_site_id, site_scope


def refund_request(
    *, order_id: UUID, refund_id: UUID, amount_minor: int, reason: str, requested_by_id: UUID
) -> Refund:
    """ENTRY: ask for ``amount_minor`` of a paid order to be given back; Stripe hears of it after the commit.

    Raises Problem 404 unknown_order; 409 refund_requested (this ``refund_id`` is known), order_not_refundable,
    order_disputed, order_under_review, refund_exceeds_payment (refunds under way count).
    """
    with site_scope():
        order = order_locked(order_id=order_id)
        if order is None:
            raise problems.order_unknown()
        # A page that is sent twice names the same refund: the order's lock makes the second see the first.
        if Refund.objects.filter(site_id=current_site_id(), id=refund_id).exists():
            raise problems.refund_requested()
        _refuse_unless_refundable(order)
        if amount_minor > refund_left_minor(order):
            raise problems.refund_exceeds_payment()
        row = Refund.objects.create(
            id=refund_id,
            order_id=order.id,
            amount_minor=amount_minor,
            origin=RefundOrigin.STAFF,
            reason=reason,
            requested_by_id=requested_by_id,
        )
        order_change(order, next_check_at=Now(), check_attempts=0)
        ring(PROCESS_ORDER, str(order.site_id), str(order.id))
        return row


def _refuse_unless_refundable(order: Order) -> None:
    if order.problem_code:
        raise problems.order_under_review()
    if order.status == OrderStatus.DISPUTED:
        raise problems.order_disputed()
    if order.status != OrderStatus.PAID:
        raise problems.order_not_refundable()
