"""Assets whose decimals Fireblocks was asked for, to look at."""

from __future__ import annotations

from django.contrib import admin

from apps.payouts.fireblocks_models import FireblocksAsset
from apps.sites.scoped_admin.base import ScopedAdmin


@admin.register(FireblocksAsset)
class FireblocksAssetAdmin(ScopedAdmin):
    list_display = ("custody_asset_id", "decimals", "checked_at")
    search_fields = ("id", "custody_asset_id")
