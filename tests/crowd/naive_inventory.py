"""Breaks the promise on purpose: a reservation that looks first, decides in Python, and then writes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.apps import AppConfig

if TYPE_CHECKING:
    from apps.tiers.models import Tier


class NaiveInventory(AppConfig):
    """Replaces tier_reserve where orders are made."""

    name = "tests.crowd"
    label = "naive_inventory"

    def ready(self) -> None:
        from apps.orders.services import create

        if vars(create)["tier_reserve"].__module__ != "apps.tiers.services":
            raise RuntimeError("orders do not reserve by apps.tiers.services.tier_reserve any more")
        vars(create)["tier_reserve"] = tier_reserve


def tier_reserve(*, tier_id: UUID, buyer_id: UUID, quantity_units: int) -> Tier:
    from apps.core.problems import Problem
    from apps.tiers.models import BuyerUnits, Tier

    tier = Tier.objects.get(id=tier_id)
    BuyerUnits.objects.bulk_create([BuyerUnits(tier=tier, buyer_id=buyer_id)], ignore_conflicts=True)
    mine = BuyerUnits.objects.get(tier=tier, buyer_id=buyer_id)
    if tier.reserved_units + tier.sold_units + quantity_units > tier.supply_units:
        raise Problem("sold_out", 409, "")
    if mine.reserved_units + mine.sold_units + quantity_units > (tier.per_buyer_limit_units or 0):
        raise Problem("buyer_limit_reached", 409, "")
    Tier.objects.filter(id=tier_id).update(reserved_units=tier.reserved_units + quantity_units)
    BuyerUnits.objects.filter(id=mine.id).update(reserved_units=mine.reserved_units + quantity_units)
    return tier
