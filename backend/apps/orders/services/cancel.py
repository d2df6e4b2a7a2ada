"""A buyer takes an order back: Stripe's PaymentIntent first, then the order and its reservation."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Coalesce, Now

from apps.core.problems import Problem
from apps.core.remote import RemoteError
from apps.orders import problems
from apps.orders.models import Order, OrderStatus
from apps.orders.queries import order_of_buyer
from apps.orders.services.process import order_check
from apps.sites.scope import current_site_id, site_scope

# Time for this request to finish; after it a sweeper does.
LEASE = timedelta(seconds=30)


def order_cancel(*, order_id: UUID, buyer_id: UUID) -> Order:
    """ENTRY: cancel the buyer's pending order; a second time answers the same.

    The wish is committed before Stripe is asked, so that an unknown outcome there is found out by a worker.
    Raises Problem 404 unknown_order; 409 order_already_paid, payment_in_progress, order_closed,
    order_under_review; 503 payment_provider_unavailable.
    """
    order, is_wished = _wish(order_id, buyer_id)
    if is_wished:
        try:
            order_check(order)
        except RemoteError as error:
            raise problems.payment_provider_unavailable(error) from error
        with site_scope():
            order = _own(order_id, buyer_id)
    if order.status != OrderStatus.CANCELLED:
        raise _why_not(order)
    return order


def _wish(order_id: UUID, buyer_id: UUID) -> tuple[Order, bool]:
    with site_scope():
        wished = Order.objects.filter(
            site_id=current_site_id(),
            id=order_id,
            buyer_id=buyer_id,
            status=OrderStatus.PENDING,
            problem_code="",
        ).update(cancel_requested_at=Coalesce("cancel_requested_at", Now()), next_check_at=Now() + LEASE)
        return _own(order_id, buyer_id), bool(wished)


def _own(order_id: UUID, buyer_id: UUID) -> Order:
    order = order_of_buyer(order_id=order_id, buyer_id=buyer_id)
    if order is None:
        raise problems.order_unknown()
    return order


def _why_not(order: Order) -> Problem:
    if order.problem_code:
        return problems.order_under_review()
    if order.status == OrderStatus.PENDING:
        return problems.payment_in_progress()
    if order.paid_at is not None or order.status == OrderStatus.REFUND_DUE:
        return problems.order_already_paid()
    return problems.order_closed()
