"""Reads of outgoing webhooks."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from apps.sites.scope import current_site_id
from apps.subscriptions.models import Delivery, DeliveryTry, Subscription


def subscriptions() -> QuerySet[Subscription]:
    """All subscriptions of the open scope's site."""
    return Subscription.objects.filter(site_id=current_site_id())


def subscription_of_site(*, subscription_id: UUID) -> Subscription | None:
    """One of them."""
    return subscriptions().filter(id=subscription_id).first()


def deliveries(*, subscription_id: UUID | None = None, status: str | None = None) -> QuerySet[Delivery]:
    """Deliveries of the site with their events; each filter has an index that ends in the id."""
    found = Delivery.objects.filter(site_id=current_site_id()).select_related("event", "subscription")
    if subscription_id is not None:
        found = found.filter(subscription_id=subscription_id)
    if status is not None:
        found = found.filter(status=status)
    return found


def tries_of(*, delivery_id: UUID) -> QuerySet[DeliveryTry]:
    """The log of one delivery, the first request first; as many as the retry schedule and resends made."""
    return DeliveryTry.objects.filter(site_id=current_site_id(), delivery_id=delivery_id).order_by("id")
