"""Reads of the public catalogue."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from apps.sites.scope import current_site_id
from apps.tiers.models import Tier


def tiers_on_show() -> QuerySet[Tier]:
    """Active tiers of the open scope's site with asset and policy: coming, open, closed and sold out ones."""
    return Tier.objects.select_related("asset", "policy").filter(site_id=current_site_id(), is_active=True)


def tier_on_show(*, tier_id: UUID) -> Tier | None:
    """One of them, or None."""
    return tiers_on_show().filter(id=tier_id).first()
