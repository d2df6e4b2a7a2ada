"""Events that were never delivered: Stripe's own list of events, read into the inbox behind a cursor."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from apps.core.remote import RemoteError, RemoteRejected
from apps.orders.stripe_gateway import Event, StripeGateway
from apps.webhooks.announcements import Announcement, stripe_announcement
from apps.webhooks.dispatch import STRIPE_EVENT_TYPES
from apps.webhooks.models import EventCursor, Provider
from apps.webhooks.services import events_receive
from apps.webhooks.signatures import UnreadableEvent

logger = logging.getLogger("posx.webhooks")

KEPT = timedelta(days=30)
# Read again each time: an event may appear in the list later than a newer one.
OVERLAP = timedelta(minutes=5)
# Longer than Celery's hard time limit, so that nobody takes the cursor from a worker that still reads.
LEASE_S = 60
PAUSE_S = 30
PAGES_A_ROUND = 3


@dataclass(slots=True)
class _Walk:
    """Where a walk stands: the newest event's time ("" and None before its first page) and the last event read."""

    until: datetime | None
    after_id: str
    done: bool = False


def missed_events_read(
    *, gateway: StripeGateway | None = None, max_pages: int = PAGES_A_ROUND
) -> tuple[int, bool]:
    """Read on in Stripe's list, at most ``max_pages`` pages. Entry; returns (events new to us, whether to go on).

    The cursor moves in the transaction that writes a page's events, so a crash reads a page twice and skips none.
    Raises RemoteError after it has put the next round off, by Stripe's Retry-After when it gave one.
    """
    cursor = _claim()
    if cursor is None:
        return 0, False
    try:
        return _read(cursor, gateway or StripeGateway.from_settings(), max_pages)
    except RemoteError as error:
        pause_s = error.retry_after_s or PAUSE_S
        forgotten: dict[str, Any] = {}
        if isinstance(error, RemoteRejected) and error.code == "resource_missing":
            # The event that we stood at has left the list: begin at the newest one again.
            forgotten = {"walk_until": None, "walk_after_id": ""}
        _write(cursor, next_round_at=Now() + timedelta(seconds=pause_s), **forgotten)
        raise


def _claim() -> EventCursor | None:
    """The cursor, leased to us; None while somebody else reads or a pause lasts."""
    with transaction.atomic(durable=True):
        EventCursor.objects.bulk_create(
            [EventCursor(provider=Provider.STRIPE, read_until=Now() - KEPT)], ignore_conflicts=True
        )
        due = EventCursor.objects.filter(provider=Provider.STRIPE, next_round_at__lte=Now())
        cursor = due.select_for_update(skip_locked=True).first()
        if cursor is None:
            return None
        cursor.rounds += 1
        EventCursor.objects.filter(provider=cursor.provider).update(
            rounds=cursor.rounds, next_round_at=Now() + timedelta(seconds=LEASE_S)
        )
    return cursor


def _read(cursor: EventCursor, gateway: StripeGateway, max_pages: int) -> tuple[int, bool]:
    walk = _Walk(cursor.walk_until, cursor.walk_after_id)
    found = 0
    for _ in range(max_pages):
        events, has_more = gateway.list_events(STRIPE_EVENT_TYPES, cursor.read_until - OVERLAP, walk.after_id)
        if events:
            walk.until = walk.until or events[0].created_at
            walk.after_id = events[-1].id
        walk.done = not (has_more and events)
        new = _keep(cursor, walk, events)
        if new is None:
            return found, False
        found += new
        if walk.done:
            break
    _write(cursor, next_round_at=Now())
    if found:
        logger.warning("%s events of %s had not been delivered yet", found, cursor.provider)
    return found, not walk.done


def _keep(cursor: EventCursor, walk: _Walk, events: list[Event]) -> int | None:
    """Commit a page and how far we are together; None when somebody else has taken the cursor since."""
    if walk.done:
        reached = max(cursor.read_until, walk.until or cursor.read_until)
        place: dict[str, Any] = {"read_until": reached, "walk_until": None, "walk_after_id": ""}
    else:
        place = {"walk_until": walk.until, "walk_after_id": walk.after_id}
    with transaction.atomic(durable=True):
        if not _write(cursor, **place):
            return None
        return events_receive(announcements=list(_announcements(events)))


def _write(cursor: EventCursor, **changes: Any) -> bool:
    mine = EventCursor.objects.filter(provider=cursor.provider, rounds=cursor.rounds)
    return mine.update(**changes) == 1


def _announcements(events: Iterable[Event]) -> Iterable[Announcement]:
    for event in events:
        raw = json.dumps(event.payload, sort_keys=True, default=str).encode()
        try:
            yield stripe_announcement(dict(event.payload), raw)
        except UnreadableEvent:
            # As at the endpoint, which refuses it: one odd event must not stop the cursor before it for ever.
            logger.warning("an event of the list is unreadable")
