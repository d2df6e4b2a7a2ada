"""Doorbells of the inbox: bound to no site at first, since only the provider's object says whose an event is."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from apps.core.doorbells import ring
from apps.sites.tasks import FanOutTask
from apps.webhooks.dispatch import dispatch
from apps.webhooks.missed import missed_events_read
from apps.webhooks.services import HANDLE_TASK, SWEEP_TASK, event_handle, inbox_sweep

READ_TASK = "apps.webhooks.tasks.read_missed_events"


@shared_task(base=FanOutTask, name=HANDLE_TASK)
def handle_event(event_id: str) -> str:
    """Act on one event that has just come in; says what became of it."""
    outcome = event_handle(event_id=UUID(event_id), dispatch=dispatch)
    return "not due" if outcome is None else f"{outcome.status} {outcome.error_code}".strip()


@shared_task(base=FanOutTask, name=SWEEP_TASK)
def sweep_inbox() -> int:
    """Act on due events that nobody came for; rings itself again while there are more."""
    handled, has_more = inbox_sweep(dispatch=dispatch)
    if has_more:
        ring(SWEEP_TASK)
    return handled


@shared_task(base=FanOutTask, name=READ_TASK)
def read_missed_events() -> int:
    """Put what Stripe lists and never delivered into the inbox; rings itself again while there is more to read."""
    found, has_more = missed_events_read()
    if has_more:
        ring(READ_TASK)
    return found
