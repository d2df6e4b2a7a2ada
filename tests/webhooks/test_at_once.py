"""The same event, and the same row, in two hands at the same moment; forced by a lock that somebody else holds."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from apps.orders.models import Order
from apps.payouts.submission import payouts_round
from apps.webhooks.models import InboxEvent
from tests.orders.scene import Parallel, wait_for_blocked
from tests.orders.test_return_races import held
from tests.webhooks.stories import STORIES, World
from tests.webhooks.test_any_order import begun, in_order

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox", "fireblocks_sandbox", "bells_lost")

ORDERS = "SELECT 1 FROM orders_order FOR UPDATE"
PAYOUTS = "SELECT 1 FROM payouts_payout FOR UPDATE"


def happened(name: str) -> World:
    """All of a story has happened, and nobody has heard of what came after its known part."""
    story = STORIES[name]
    world = begun(story)
    for step in story.steps[story.known :]:
        step(world)
    return world


@pytest.mark.parametrize(
    ("name", "event_type", "rows"),
    [
        ("paid", "payment_intent.succeeded", ORDERS),
        ("cancelled at Stripe", "payment_intent.canceled", ORDERS),
        ("paid, full refund", "charge.refunded", ORDERS),
        ("paid, two partial refunds", "refund.created", ORDERS),
        ("dispute lost", "charge.dispute.closed", ORDERS),
        ("payout completed", "transaction.status.updated", PAYOUTS),
        ("payout failed", "TRANSACTION_STATUS_UPDATED", PAYOUTS),
    ],
)
def test_an_event_in_two_hands_at_once(name: str, event_type: str, rows: str, admin_connection: Any) -> None:
    world = happened(name)
    event = [one for one in world.announcements() if one.event_type == event_type][-1]

    with held(rows) as other:
        both = Parallel(lambda: world.hear(event), lambda: world.hear(event))
        wait_for_blocked(admin_connection, 2)
        other.rollback()

    assert both.results() == ["handled", "handled"]
    assert InboxEvent.objects.get(event_id=event.event_id).status == "handled"
    assert world.end() == in_order(name)
    assert world.faults() == []


@pytest.mark.parametrize(
    "name",
    [
        "paid",
        "cancelled at Stripe",
        "paid, two partial refunds",
        "paid, full refund",
        "dispute won",
        "dispute lost",
        "partial refund, dispute lost",
    ],
)
def test_an_order_in_two_hands_at_once(name: str, admin_connection: Any) -> None:
    world = happened(name)

    with held(ORDERS) as other:
        both = Parallel(lambda: world.process(world.bought), lambda: world.process(world.bought))
        wait_for_blocked(admin_connection, 2)
        other.rollback()

    # Neither failed. One may have looked between the other's payment and its refund: only the end is one.
    assert all(isinstance(result, Order) for result in both.results()), both.results()
    assert world.end() == in_order(name)
    assert world.faults() == []


@pytest.mark.parametrize("name", ["payout completed", "payout failed", "payout of another amount"])
def test_a_payout_in_two_hands_at_once(name: str) -> None:
    world = happened(name)
    event = world.announcements()[-1]
    start = threading.Barrier(3, timeout=20)

    def work() -> int:
        start.wait()
        return int(world.bound(lambda: payouts_round(5)).total())

    def hear() -> str:
        start.wait()
        return world.hear(event)

    *_, heard = Parallel(work, work, hear).results()

    assert heard == "handled"
    assert world.end() == in_order(name)
    assert world.faults() == []
