"""A pause that Stripe asks for is kept by the row that was asked about, and by the round that asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from apps.core.remote import RemoteError
from apps.orders.services import orders_sweep
from apps.webhooks.dispatch import dispatch
from apps.webhooks.missed import missed_events_read
from apps.webhooks.models import EventCursor, InboxEvent
from apps.webhooks.services import inbox_sweep
from tests.factories import make_inbox_event
from tests.http_peers import Answer, Peer, running_peer
from tests.orders.scene import Sale

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")

PAUSE_S = 1800  # longer than any pause of our own for a first try


@pytest.fixture
def sale(stripe_sandbox: object) -> Sale:
    """A sale with three orders whose time to be looked at has come."""
    sale = Sale()
    for seconds in (1, 2, 3):
        order = sale.place(quantity_units=1)
        sale.change(order, next_check_at=timezone.now() - timedelta(seconds=seconds))
    return sale


@pytest.fixture
def busy(sale: Sale, settings: Settings) -> Iterator[Peer]:
    """A Stripe that has had enough of us."""
    with running_peer() as peer:
        peer.always(
            Answer(429, {"error": {"type": "invalid_request_error"}}, headers={"Retry-After": str(PAUSE_S)})
        )
        settings.STRIPE_API_BASE = peer.url
        yield peer


def test_an_order_waits_as_long_as_stripe_asked_and_the_round_asks_no_more(sale: Sale, busy: Peer) -> None:
    before = timezone.now()

    assert sale.bound(orders_sweep) == 1

    assert len(busy.asked) == 1
    asked_about = busy.asked[0].path.rsplit("/", 1)[1]
    [waiting] = [order for order in sale.orders() if order.payment_intent_id == asked_about]
    assert waiting.next_check_at is not None
    assert waiting.next_check_at >= before + timedelta(seconds=PAUSE_S)
    # the others were not looked at, and are still due
    others = [order for order in sale.orders() if order.id != waiting.id]
    assert all(order.next_check_at and order.next_check_at < before for order in others)


def test_an_event_waits_as_long_as_stripe_asked_and_other_providers_are_served(busy: Peer) -> None:
    before = timezone.now()
    first, second = (make_inbox_event(object_id=f"pi_{number}") for number in (1, 2))
    other = make_inbox_event(provider="fireblocks", event_type="vault_account.created")

    inbox_sweep(dispatch=dispatch)

    assert len(busy.asked) == 1
    waiting = InboxEvent.objects.get(status="failed")
    assert waiting.next_attempt_at >= before + timedelta(seconds=PAUSE_S)
    [untouched] = {first.id, second.id} - {waiting.id}
    assert InboxEvent.objects.get(id=untouched).attempts == 0
    assert InboxEvent.objects.get(id=other.id).status == "ignored"


def test_the_list_of_events_waits_as_long_as_stripe_asked(busy: Peer) -> None:
    before = timezone.now()
    with pytest.raises(RemoteError):
        missed_events_read()

    assert missed_events_read() == (0, False)
    assert len(busy.asked) == 1
    assert EventCursor.objects.get().next_round_at >= before + timedelta(seconds=PAUSE_S - 1)
