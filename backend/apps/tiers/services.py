"""Inventory: units of a tier move between available, reserved and sold by guarded updates only.

All are step functions inside their caller's site scope. Lock order, always: the tier's row, then the buyer's.
"""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.db.models import F
from django.utils.translation import gettext as _

from apps.core.ids import uuid7
from apps.core.problems import Problem
from apps.sites.scope import require_scope
from apps.tiers.models import BuyerUnits, Tier

# The clock and not now(): that is when the transaction began, and it may have waited for the row since. Once more in
# RETURNING: PostgreSQL reads the WHERE again after a wait only when the row has changed, and its holder may roll back.
_RESERVE = """
UPDATE tiers_tier SET reserved_units = reserved_units + %(units)s
WHERE site_id = %(site)s AND id = %(tier)s AND is_active
  AND opens_at <= clock_timestamp() AND (closes_at IS NULL OR closes_at > clock_timestamp())
  AND reserved_units + sold_units + %(units)s <= supply_units
RETURNING *, closes_at IS NULL OR closes_at > clock_timestamp() AS is_still_open
"""
# One statement for the first purchase and for later ones: two of them at once queue on the row.
_RESERVE_FOR_BUYER = """
INSERT INTO tiers_buyerunits AS b (id, site_id, tier_id, buyer_id, reserved_units, sold_units)
SELECT %(id)s, %(site)s, %(tier)s, %(buyer)s, %(units)s, 0
WHERE %(limit)s::bigint IS NULL OR %(units)s <= %(limit)s::bigint
ON CONFLICT (site_id, tier_id, buyer_id) DO UPDATE SET reserved_units = b.reserved_units + EXCLUDED.reserved_units
WHERE %(limit)s::bigint IS NULL OR b.reserved_units + b.sold_units + EXCLUDED.reserved_units <= %(limit)s::bigint
"""
_STATE = """
SELECT is_active AND opens_at <= clock_timestamp() AND (closes_at IS NULL OR closes_at > clock_timestamp())
FROM tiers_tier WHERE site_id = %(site)s AND id = %(tier)s
"""


class InventoryMismatch(RuntimeError):
    """Units were to move that are not there: a fault of ours, never of the caller."""


def tier_reserve(*, tier_id: UUID, buyer_id: UUID, quantity_units: int) -> Tier:
    """STEP: hold units of an open tier for a buyer; two statements.

    Raises Problem 404 unknown_tier, 409 tier_closed, sold_out, buyer_limit_reached.
    """
    names: dict[str, UUID | int] = {
        "site": require_scope(),
        "tier": tier_id,
        "buyer": buyer_id,
        "units": quantity_units,
        "id": uuid7(),
    }
    taken = list(Tier.objects.raw(_RESERVE, names))
    if not taken:
        raise _refusal(names)
    tier = taken[0]
    if not vars(tier)["is_still_open"]:
        raise _closed()
    with connection.cursor() as cursor:
        cursor.execute(_RESERVE_FOR_BUYER, {**names, "limit": tier.per_buyer_limit_units})
        if cursor.rowcount != 1:
            raise Problem("buyer_limit_reached", 409, _("This is more than one buyer may have of this tier."))
    return tier


def tier_give_back(*, tier_id: UUID, buyer_id: UUID, quantity_units: int) -> None:
    """STEP: reserved units become available again. Raises InventoryMismatch."""
    _move(tier_id, buyer_id, reserved=-quantity_units, sold=0)


def tier_sell(*, tier_id: UUID, buyer_id: UUID, quantity_units: int) -> None:
    """STEP: reserved units become sold. Raises InventoryMismatch."""
    _move(tier_id, buyer_id, reserved=-quantity_units, sold=quantity_units)


def tier_take_back(*, tier_id: UUID, buyer_id: UUID, quantity_units: int) -> None:
    """STEP: sold units become available again. Raises InventoryMismatch."""
    _move(tier_id, buyer_id, reserved=0, sold=-quantity_units)


def tier_sell_from_stock(*, tier_id: UUID, buyer_id: UUID, quantity_units: int) -> bool:
    """STEP: available units become sold, for a payment that came after its reservation was given back.

    The window and the buyer's limit held when the order was made and are not asked again; the stock is.
    False when there is not enough of it. Raises InventoryMismatch.
    """
    tier = Tier.objects.filter(
        site_id=require_scope(),
        id=tier_id,
        supply_units__gte=F("reserved_units") + F("sold_units") + quantity_units,
    )
    if not tier.update(sold_units=F("sold_units") + quantity_units):
        return False
    _move_of_buyer(tier_id, buyer_id, reserved=0, sold=quantity_units)
    return True


def _move(tier_id: UUID, buyer_id: UUID, *, reserved: int, sold: int) -> None:
    moved = Tier.objects.filter(
        site_id=require_scope(), id=tier_id, reserved_units__gte=-reserved, sold_units__gte=-sold
    ).update(reserved_units=F("reserved_units") + reserved, sold_units=F("sold_units") + sold)
    if moved != 1:
        raise InventoryMismatch(f"tier {tier_id} does not hold {-reserved} reserved or {-sold} sold units")
    _move_of_buyer(tier_id, buyer_id, reserved=reserved, sold=sold)


def _move_of_buyer(tier_id: UUID, buyer_id: UUID, *, reserved: int, sold: int) -> None:
    moved = BuyerUnits.objects.filter(
        site_id=require_scope(),
        tier_id=tier_id,
        buyer_id=buyer_id,
        reserved_units__gte=-reserved,
        sold_units__gte=-sold,
    ).update(reserved_units=F("reserved_units") + reserved, sold_units=F("sold_units") + sold)
    if moved != 1:
        raise InventoryMismatch(
            f"buyer {buyer_id} does not hold {-reserved} reserved or {-sold} sold units of tier {tier_id}"
        )


def _refusal(names: dict[str, UUID | int]) -> Problem:
    """Why nothing could be reserved. Units given back in between read as sold out: the next try has them."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE, names)
        row = cursor.fetchone()
    if row is None:
        return Problem("unknown_tier", 404, _("There is no such tier."))
    if not row[0]:
        return _closed()
    return Problem("sold_out", 409, _("Not that many units of this tier are left."))


def _closed() -> Problem:
    return Problem("tier_closed", 409, _("This tier is not on sale now."))
