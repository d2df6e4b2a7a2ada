"""The inbox, for platform administrators: an event arrives before its site is known."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.sites.scoped_admin.base import PlatformReadOnly
from apps.sites.scoped_admin.columns import badge
from apps.webhooks.models import EventCursor, EventStatus, InboxEvent, Provider


class WaitingFilter(admin.SimpleListFilter):
    """What is still to be handled: exactly the condition of the inbox' partial index."""

    title = _("work")
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("waiting", _("Still to be handled"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        waiting = [EventStatus.RECEIVED, EventStatus.FAILED]
        return queryset.filter(status__in=waiting) if self.value() == "waiting" else queryset


@admin.register(InboxEvent)
class InboxEventAdmin(PlatformReadOnly):
    list_display = (
        "received_at",
        "provider",
        "event_type",
        "object_id",
        badge(good=("handled",), busy=("received",), bad=("failed",)),
        "attempts",
        "next_attempt_at",
        "error_code",
        "event_id",
    )
    list_filter = (WaitingFilter,)
    search_fields = ("id", "object_id")
    search_help_text = _("A whole event id, object id or id")
    ordering = ("-id",)

    def exactly(self, request: HttpRequest, term: str) -> Q | None:
        """An event id is unique within its provider, and the index leads with that."""
        condition = super().exactly(request, term)
        return None if condition is None else condition | Q(provider__in=Provider.values, event_id=term)


@admin.register(EventCursor)
class EventCursorAdmin(PlatformReadOnly):
    list_display = ("provider", "read_until", "walk_until", "next_round_at", "rounds")
    search_fields = ("provider",)
    ordering = ("provider",)
