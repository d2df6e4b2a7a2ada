"""Tiers, which staff make and change here, and how much of them each buyer has."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.sites.scoped_admin.base import ScopedAdmin, WritableAdmin
from apps.sites.scoped_admin.columns import whole_tokens
from apps.tiers.forms import TierForm
from apps.tiers.models import BuyerUnits, Tier

TOKENS = whole_tokens("tokens_per_unit_base_units", asset="asset", label=_("tokens a unit"))


@admin.register(Tier)
class TierAdmin(WritableAdmin):
    form = TierForm
    list_display = (
        "name",
        "asset",
        "price_minor",
        "currency",
        TOKENS,
        "supply_units",
        "reserved_units",
        "sold_units",
        "opens_at",
        "closes_at",
        "is_active",
    )
    list_filter = ("is_active",)
    list_select_related = ("asset",)
    search_fields = ("id", "name")
    autocomplete_fields = ("asset", "policy")
    cells = (TOKENS,)
    fixed = ("asset",)

    def columns_of_a_new_row(self) -> list[str]:
        return [*TierForm.Meta.fields[:5], "tokens_per_unit", *TierForm.Meta.fields[5:]]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = list(super().get_fields(request, obj))
        if obj is None or not self.has_change_permission(request, obj):
            return fields
        here = fields.index("tokens_per_unit_base_units")
        return [*fields[:here], "tokens_per_unit", *fields[here:]]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "tokens_per_unit_base_units"]


@admin.register(BuyerUnits)
class BuyerUnitsAdmin(ScopedAdmin):
    list_display = ("tier", "buyer", "reserved_units", "sold_units")
    list_select_related = ("tier", "buyer__identity")
    search_fields = ("id", "tier__id", "buyer__id")
    ordering = ("tier_id", "buyer_id")  # the order of its unique key
