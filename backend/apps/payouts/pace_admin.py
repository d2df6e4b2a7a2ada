"""Paces and turns of the payouts' sweep, for platform administrators."""

from __future__ import annotations

from django.contrib import admin

from apps.payouts.fence_models import SendingFence
from apps.payouts.pace_models import ProviderPace, SweepTurn
from apps.sites.scoped_admin.base import PlatformReadOnly


@admin.register(ProviderPace)
class ProviderPaceAdmin(PlatformReadOnly):
    list_display = ("provider", "free_at", "paused_until")
    search_fields = ("provider",)
    ordering = ("provider",)


@admin.register(SweepTurn)
class SweepTurnAdmin(PlatformReadOnly):
    list_display = ("queue", "last_served", "served_at")
    search_fields = ("queue",)
    ordering = ("queue",)


@admin.register(SendingFence)
class SendingFenceAdmin(PlatformReadOnly):
    list_display = ("name", "alive_at", "closed_from", "lost_count")
    search_fields = ("name",)
    ordering = ("name",)
