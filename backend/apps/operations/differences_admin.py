"""Differences of the three-way check: looked at, and acknowledged with a reason."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.operations.admin_actions import Acknowledge
from apps.operations.models import CheckCursor, Difference, StrayPayment
from apps.sites.scoped_admin.base import PlatformReadOnly, ScopedAdmin
from apps.sites.scoped_admin.columns import short_id


class OpenFilter(admin.SimpleListFilter):
    """What is still there: the condition of the partial index."""

    title = _("open")
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Still there"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(next_check_at__isnull=False) if self.value() == "yes" else queryset


@admin.register(Difference)
class DifferenceAdmin(ScopedAdmin):
    list_display = (
        short_id,
        "kind",
        "object_id",
        "row_id",
        "expected",
        "found",
        "first_seen_at",
        "last_seen_at",
        "closed_at",
        "acknowledged_by",
        "reason",
    )
    list_filter = (OpenFilter, "kind")
    list_select_related = ("acknowledged_by__identity",)
    search_fields = ("id",)
    entry_actions = (Acknowledge(),)


@admin.register(StrayPayment)
class StrayPaymentAdmin(PlatformReadOnly):
    list_display = ("key", "amount_minor", "currency", "first_seen_at")
    search_fields = ("key",)
    ordering = ("key",)


@admin.register(CheckCursor)
class CheckCursorAdmin(PlatformReadOnly):
    list_display = ("source", "position", "next_at", "moved_at", "error_code")
    search_fields = ("source",)
    ordering = ("source",)
