"""The inbox: receive an event once, claim it, settle what became of it. It belongs to no site."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.core.context import acting_as
from apps.core.doorbells import ring
from apps.core.ids import uuid7
from apps.core.remote import RemoteError
from apps.webhooks.announcements import Announcement
from apps.webhooks.models import EventStatus, InboxEvent
from apps.webhooks.queries import due_events

logger = logging.getLogger("posx.webhooks")

HANDLE_TASK = "apps.webhooks.tasks.handle_event"
SWEEP_TASK = "apps.webhooks.tasks.sweep_inbox"
# Longer than one call to a provider (11 s): so long an event stands still after its worker was killed. Who is slower
# than that, and is overtaken, does no harm: acting on an event twice is as acting once, and one of the two settles it.
LEASE_S = 15
BACKOFF_FIRST_S = 5
BACKOFF_MAX_S = 3600
SWEEP_LIMIT = 100
# Leaves the last event of a round enough of the 40 s that a task has.
SWEEP_BUDGET_S = 15.0

_RECEIVE = """
INSERT INTO webhooks_inboxevent (id, provider, event_id, event_type, object_id, payload_sha256,
                                 status, attempts, next_attempt_at, error_code, received_at)
SELECT *, 'received', 0, now(), '', now()
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
ON CONFLICT (provider, event_id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event: handled, ignored (nobody's, and why), or failed (to be tried again).

    ``retry_after_s`` is the pause that the provider asked for, 0 when it asked for none.
    """

    status: EventStatus
    error_code: str = ""
    retry_after_s: int = 0


Dispatch = Callable[[InboxEvent], Outcome]


def event_receive(*, announcement: Announcement) -> bool:
    """Write the event down and wake a worker after commit; False when it was known. Entry."""
    event_id = uuid7()
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_RECEIVE, [[event_id], *([value] for value in _columns(announcement))])
        is_new = bool(cursor.rowcount == 1)
        if is_new:
            ring(HANDLE_TASK, str(event_id))
    return is_new


def events_receive(*, announcements: Sequence[Announcement]) -> int:
    """Write down what a provider lists, and wake a worker after commit when any was new; says how many. Step."""
    if not announcements:
        return 0
    columns = zip(*(_columns(one) for one in announcements), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_RECEIVE, [[uuid7() for _ in announcements], *map(list, columns)])
        new = int(cursor.rowcount)
    if new:
        ring(SWEEP_TASK)
    return new


def event_claim(*, event_id: UUID | None = None, but_not_of: Collection[str] = ()) -> InboxEvent | None:
    """Take a due event (that one, or the longest waiting) for LEASE_S; None when there is none. Entry.

    ``but_not_of`` are providers to be left alone. ``attempts`` of what is returned is this claim's number; only its
    holder can settle the event.
    """
    due = due_events().exclude(provider__in=but_not_of)
    if event_id is not None:
        due = due.filter(id=event_id)
    with transaction.atomic(durable=True):
        event = due.select_for_update(skip_locked=True).first()
        if event is None:
            return None
        event.status = EventStatus.RECEIVED
        event.attempts += 1
        InboxEvent.objects.filter(id=event.id).update(
            status=event.status,
            attempts=event.attempts,
            next_attempt_at=Now() + timedelta(seconds=LEASE_S),
        )
    return event


def event_settle(*, event: InboxEvent, outcome: Outcome) -> bool:
    """Write what became of a claimed event; False when somebody else has claimed it since. Entry."""
    changes: dict[str, Any] = {"status": outcome.status, "error_code": outcome.error_code[:64]}
    if outcome.status == EventStatus.FAILED:
        pause_s = max(backoff_s(event.attempts), outcome.retry_after_s)
        changes["next_attempt_at"] = Now() + timedelta(seconds=pause_s)
    else:
        changes["handled_at"] = Now()
    mine = InboxEvent.objects.filter(id=event.id, attempts=event.attempts, status=EventStatus.RECEIVED)
    return mine.update(**changes) == 1


def event_handle(*, event_id: UUID, dispatch: Dispatch) -> Outcome | None:
    """Claim an event, act on it, settle it; None when it is not due or somebody else has it. Entry.

    Nothing is open while ``dispatch`` runs: it asks providers and opens scopes of its own.
    """
    event = event_claim(event_id=event_id)
    return None if event is None else _work_off(event, dispatch)


def inbox_sweep(
    *, dispatch: Dispatch, limit: int = SWEEP_LIMIT, budget_s: float = SWEEP_BUDGET_S
) -> tuple[int, bool]:
    """Handle due events that nobody came for, the longest waiting first, one claim at a time. Entry.

    A provider that asks for a pause is left alone for the rest of the round. Returns (how many, whether more may
    be due).
    """
    paused: set[str] = set()
    deadline = time.monotonic() + budget_s
    for done in range(limit):
        if time.monotonic() > deadline:
            return done, True
        event = event_claim(but_not_of=paused)
        if event is None:
            return done, False
        if _work_off(event, dispatch).retry_after_s:
            paused.add(event.provider)
    return limit, True


def backoff_s(attempts: int) -> float:
    """Seconds until the next try: doubled each time, an hour at most, spread so that crowds do not return as one."""
    whole_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S << min(attempts - 1, 20))
    return whole_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreading load, no secret


def _columns(announcement: Announcement) -> list[str]:
    """The values of _RECEIVE behind the ids."""
    return [
        announcement.provider.value,
        announcement.event_id,
        announcement.event_type,
        announcement.object_id,
        announcement.payload_sha256,
    ]


def _work_off(event: InboxEvent, dispatch: Dispatch) -> Outcome:
    with acting_as("webhook", f"{event.provider}:{event.event_id}"):
        try:
            outcome = dispatch(event)
        except RemoteError as error:
            logger.warning("event %s of %s failed: %s", event.event_id, event.provider, error.code)
            outcome = Outcome(EventStatus.FAILED, error.code, error.retry_after_s or 0)
        except Exception:
            # Safe: the row says failed and comes back, at the longest interval for ever; staff see it there.
            logger.exception("event %s of %s failed", event.event_id, event.provider)
            outcome = Outcome(EventStatus.FAILED, "unexpected")
    if not event_settle(event=event, outcome=outcome):
        logger.warning("event %s of %s was taken over by another worker", event.event_id, event.provider)
    return outcome
