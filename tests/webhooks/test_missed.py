"""Events that no webhook brought: found in Stripe's list, once, behind a cursor that only moves forward."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connections, transaction
from django.db.models.functions import Now

from apps.core.remote import RemoteError
from apps.orders.services import orders_sweep
from apps.orders.stripe_gateway import StripeGateway
from apps.webhooks import missed
from apps.webhooks.dispatch import HANDLERS, STRIPE_EVENT_TYPES, dispatch
from apps.webhooks.missed import missed_events_read
from apps.webhooks.models import EventCursor, InboxEvent
from apps.webhooks.services import inbox_sweep
from tests.orders.returns_scene import Returns
from tests.orders.scene import dispute, fault, refund_at_stripe, stripe
from tests.webhooks.deliveries import post_stripe

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def cursor() -> EventCursor:
    return EventCursor.objects.get(provider="stripe")


def listed() -> list[dict[str, Any]]:
    """What Stripe lists of the types that we read."""
    events: list[dict[str, Any]] = stripe("GET", "/v1/events?limit=100")["data"]
    return [event for event in events if event["type"] in STRIPE_EVENT_TYPES]


def work_off(sale: Returns) -> None:
    inbox_sweep(dispatch=dispatch)
    sale.bound(orders_sweep)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("apps.orders.stripe_gateway.PAGE_SIZE", 2)
    yield


def test_a_refund_in_the_dashboard_and_a_dispute_are_found_when_every_webhook_is_lost() -> None:
    sale = Returns()
    fault("*", "drop_webhooks", times=50)
    refund_at_stripe(sale.paid, 500)
    dispute(sale.paid)
    sale.bound(orders_sweep)
    assert sale.order(sale.paid.id).status == "paid"

    found, has_more = missed_events_read()
    work_off(sale)

    assert (found, has_more) == (len(listed()), False)
    order = sale.order(sale.paid.id)
    assert (order.status, order.refunded_minor, len(sale.disputes())) == ("disputed", 500, 1)
    assert set(InboxEvent.objects.values_list("status", flat=True)) == {"handled"}


def test_what_was_delivered_is_not_new_and_what_was_read_is_not_delivered_twice() -> None:
    sale = Returns()
    refund_at_stripe(sale.paid, 500)
    first, *others = listed()
    assert post_stripe(first, secret=settings.STRIPE_WEBHOOK_SECRETS[0]).status_code == 200

    assert missed_events_read() == (len(others), False)
    assert missed_events_read() == (0, False)
    for event in [first, *others]:
        assert post_stripe(event, secret=settings.STRIPE_WEBHOOK_SECRETS[0]).status_code == 200

    assert sorted(InboxEvent.objects.values_list("event_id", flat=True)) == sorted(
        event["id"] for event in [first, *others]
    )


def test_a_long_list_is_read_in_rounds_and_the_cursor_moves_at_its_end(small_pages: None) -> None:
    sale = Returns()
    refund_at_stripe(sale.paid, 500)
    events = listed()
    assert len(events) > 2
    newest = max(event["created"] for event in events)

    found, has_more = missed_events_read(max_pages=1)
    began = cursor()
    assert (found, has_more, began.walk_after_id) == (2, True, events[1]["id"])
    while has_more:
        more, has_more = missed_events_read(max_pages=1)
        found += more

    assert found == len(events) == InboxEvent.objects.count()
    assert cursor().read_until.timestamp() == newest
    assert cursor().walk_after_id == ""
    assert began.read_until < cursor().read_until


def test_what_came_during_a_walk_is_read_by_the_next_one(small_pages: None) -> None:
    sale = Returns()
    refund_at_stripe(sale.paid, 500)
    _, has_more = missed_events_read(max_pages=1)
    refund_at_stripe(sale.paid, 500)

    while has_more:
        _, has_more = missed_events_read()
    known = set(InboxEvent.objects.values_list("event_id", flat=True))
    while missed_events_read()[1]:
        pass

    assert known < set(InboxEvent.objects.values_list("event_id", flat=True))
    assert InboxEvent.objects.count() == len(listed())


def test_an_event_that_appears_late_in_the_list_is_within_the_overlap() -> None:
    Returns()
    missed_events_read()
    late = listed()[-1]["id"]
    InboxEvent.objects.filter(event_id=late).delete()

    assert missed_events_read() == (1, False)
    assert InboxEvent.objects.filter(event_id=late).exists()


def test_a_place_that_has_left_the_list_begins_anew(small_pages: None) -> None:
    refund_at_stripe(Returns().paid, 500)
    missed_events_read(max_pages=1)
    EventCursor.objects.update(walk_after_id="evt_gone")

    with pytest.raises(RemoteError):
        missed_events_read()
    assert cursor().walk_after_id == ""
    EventCursor.objects.update(next_round_at=Now())
    while missed_events_read()[1]:
        pass

    assert InboxEvent.objects.count() == len(listed())


def test_a_failing_stripe_puts_the_next_round_off_and_keeps_the_place() -> None:
    Returns()
    fault("events.list", "error_500_before")

    with pytest.raises(RemoteError):
        missed_events_read()

    assert missed_events_read() == (0, False)
    assert InboxEvent.objects.count() == 0
    EventCursor.objects.update(next_round_at=Now())
    assert missed_events_read() == (len(listed()), False)


def test_a_page_and_the_cursor_are_one_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    Returns()

    def dies(**_: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(missed, "events_receive", dies)
        missed_events_read()

    before = cursor().read_until
    EventCursor.objects.update(next_round_at=Now())
    assert missed_events_read() == (len(listed()), False)
    assert cursor().read_until > before


def test_who_lost_the_cursor_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    Returns()
    before = None

    def taken(self: Any, *args: Any) -> Any:
        nonlocal before
        before = cursor().read_until
        EventCursor.objects.update(rounds=99)
        return asked(self, *args)

    asked = StripeGateway.list_events
    monkeypatch.setattr(StripeGateway, "list_events", taken)

    assert missed_events_read() == (0, False)
    assert (cursor().read_until, InboxEvent.objects.count()) == (before, 0)


def test_the_list_and_the_webhooks_at_the_same_moment_make_one_row_each() -> None:
    sale = Returns()
    refund_at_stripe(sale.paid, 500)
    events = listed()
    start = threading.Barrier(3)

    def read() -> int:
        try:
            start.wait(10)
            return missed_events_read()[0]
        finally:
            connections.close_all()

    def deliver(order: list[dict[str, Any]]) -> int:
        try:
            start.wait(10)
            answers = [post_stripe(one, secret=settings.STRIPE_WEBHOOK_SECRETS[0]) for one in order]
            return sum(answer.status_code == 200 for answer in answers)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        reads, up, down = pool.submit(read), pool.submit(deliver, events), pool.submit(deliver, events[::-1])

    assert reads.result() <= len(events)
    assert (up.result(), down.result()) == (len(events), len(events))
    assert sorted(InboxEvent.objects.values_list("event_id", flat=True)) == sorted(
        event["id"] for event in events
    )


def test_the_database_refuses_a_cursor_that_goes_back() -> None:
    missed_events_read()

    with pytest.raises(IntegrityError, match="never goes back"), transaction.atomic():
        EventCursor.objects.update(read_until=Now() - timedelta(days=31))


def test_every_type_that_is_read_has_a_handler() -> None:
    prefixes = [prefix for provider, prefix in HANDLERS if provider == "stripe"]

    assert len(STRIPE_EVENT_TYPES) <= 20
    assert all(name.startswith(tuple(prefixes)) for name in STRIPE_EVENT_TYPES)
