"""The decimals of an asset at Fireblocks, asked once and pinned: the rows of that."""

from __future__ import annotations

from apps.payouts.fireblocks_models import FireblocksAsset
from apps.sites.scope import site_scope


def pinned_decimals(custody_asset_id: str) -> int | None:
    """ENTRY: what the provider answered once, None before that."""
    with site_scope() as site_id:
        rows = FireblocksAsset.objects.filter(site_id=site_id, custody_asset_id=custody_asset_id)
        return rows.values_list("decimals", flat=True).first()


def pin_decimals(custody_asset_id: str, decimals: int) -> None:
    """ENTRY: remember the provider's answer; the first one stays."""
    with site_scope():
        pinned = FireblocksAsset(custody_asset_id=custody_asset_id, decimals=decimals)
        FireblocksAsset.objects.bulk_create([pinned], ignore_conflicts=True)
