"""Reads of orders. All come with tier and asset, which amounts are shown by."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet, Sum

from apps.orders.models import Order, OrderStatus, Refund, RefundStatus
from apps.sites.scope import current_site_id


def orders_of_site(*, status: OrderStatus | None = None) -> QuerySet[Order]:
    """All orders of the open scope's site."""
    orders = Order.objects.select_related("tier__asset").filter(site_id=current_site_id())
    return orders if status is None else orders.filter(status=status)


def orders_of_buyer(*, buyer_id: UUID, status: OrderStatus | None = None) -> QuerySet[Order]:
    """One member's own."""
    return orders_of_site(status=status).filter(buyer_id=buyer_id)


def order_of_site(*, order_id: UUID) -> Order | None:
    """One order of the site, or None."""
    return orders_of_site().filter(id=order_id).first()


def order_of_buyer(*, order_id: UUID, buyer_id: UUID) -> Order | None:
    """One of the member's own, or None."""
    return orders_of_buyer(buyer_id=buyer_id).filter(id=order_id).first()


def order_locked(*, order_id: UUID) -> Order | None:
    """The order's row, locked until the scope's transaction ends. Lock order: order, tier, buyer's units."""
    return (
        Order.objects.select_for_update(of=("self",))
        .select_related("tier")
        .filter(site_id=current_site_id(), id=order_id)
        .first()
    )


def refunds_of_order(*, order_id: UUID) -> QuerySet[Refund]:
    """The refunds of one order of the site, to be paged by id."""
    return Refund.objects.filter(site_id=current_site_id(), order_id=order_id)


def refund_left_minor(order: Order) -> int:
    """What of the payment can still be given back, in minor units; refunds under way count as given."""
    over = [RefundStatus.FAILED, RefundStatus.CANCELED]
    rows = refunds_of_order(order_id=order.id).exclude(status__in=over)
    taken = rows.aggregate(total=Sum("amount_minor"))["total"] or 0
    return int(order.amount_minor - order.lost_minor - taken)
