"""Reads of the inbox."""

from __future__ import annotations

from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.webhooks.models import EventStatus, InboxEvent


def due_events() -> QuerySet[InboxEvent]:
    """Events that a worker should take now, the longest waiting first, by the partial index."""
    waiting = [EventStatus.RECEIVED, EventStatus.FAILED]
    return InboxEvent.objects.filter(status__in=waiting, next_attempt_at__lte=Now()).order_by(
        "next_attempt_at"
    )
