"""Refunds and disputes by signed events: repeated, in any order, and when all of them are late."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.conf import settings

from apps.orders.services import orders_sweep
from apps.webhooks.dispatch import dispatch
from apps.webhooks.models import InboxEvent
from apps.webhooks.services import inbox_sweep
from tests.orders.returns_scene import Returns
from tests.orders.scene import dispute, refund_at_stripe, stripe
from tests.webhooks.deliveries import post_stripe

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def delivered(seed: int) -> list[dict[str, Any]]:
    """Every event that Stripe has, twice, in an order of the seed's."""
    events = [*stripe("GET", "/v1/events?limit=100")["data"]] * 2
    random.Random(seed).shuffle(events)  # noqa: S311  # repeatable, and no secret
    return events


def hear(sale: Returns, events: list[dict[str, Any]]) -> None:
    """Deliver, handle and sweep, a few at a time."""
    for start in range(0, len(events), 5):
        for event in events[start : start + 5]:
            assert post_stripe(event, secret=settings.STRIPE_WEBHOOK_SECRETS[0]).status_code == 200
        inbox_sweep(dispatch=dispatch)
        sale.bound(orders_sweep)


@pytest.mark.parametrize("seed", range(4))
def test_refunds_and_a_won_dispute_in_any_order(seed: int) -> None:
    sale = Returns()
    refund_at_stripe(sale.paid, 500)
    dispute(sale.paid)
    sale.look()
    dispute(sale.paid, "won")
    refund_at_stripe(sale.paid, 500)
    hear(sale, delivered(seed))
    order = sale.order(sale.paid.id)
    assert (order.status, order.refunded_minor, order.lost_minor) == ("paid", 1000, 0)
    assert sale.tokens() == {"locked": 45, "unlocked": 5, "revoked": 50}
    assert (len(sale.refunds()), len(sale.disputes())) == (2, 1)
    assert set(InboxEvent.objects.values_list("status", flat=True)) == {"handled"}


@pytest.mark.parametrize("seed", range(4))
def test_a_lost_dispute_in_any_order(seed: int) -> None:
    sale = Returns()
    refund_at_stripe(sale.paid, 500)
    dispute(sale.paid, "lost")
    hear(sale, delivered(seed))
    order = sale.order(sale.paid.id)
    assert (order.status, order.refunded_minor, order.lost_minor) == ("refunded", 500, 1500)
    assert (sale.tokens(), sale.units(), sale.owed()) == ({"revoked": 100}, (0, 0, 0, 0), 0)
