"""Who gets the base units that do not divide, by the names of the Open Cap Format.

Source: Open-Cap-Table-Coalition/Open-Cap-Format-OCF, schema/enums/AllocationType.schema.json, whose example (18 in 4
parts) tests/vesting/test_schedule_published.py holds. Its FRACTIONAL does not exist for whole base units.
"""

from __future__ import annotations

from enum import StrEnum


class Remainders(StrEnum):
    CUMULATIVE_ROUNDING = "CUMULATIVE_ROUNDING"
    CUMULATIVE_ROUND_DOWN = "CUMULATIVE_ROUND_DOWN"
    FRONT_LOADED = "FRONT_LOADED"
    BACK_LOADED = "BACK_LOADED"
    FRONT_LOADED_TO_SINGLE_TRANCHE = "FRONT_LOADED_TO_SINGLE_TRANCHE"
    BACK_LOADED_TO_SINGLE_TRANCHE = "BACK_LOADED_TO_SINGLE_TRANCHE"


def until_part(total: int, count: int, k: int, remainders: Remainders) -> int:
    """Base units of the first `k` (0..count) of `count` parts: 0 for none, `total` for all, never falling."""
    each, left = divmod(total, count)
    match remainders:
        case Remainders.CUMULATIVE_ROUNDING:
            return (2 * total * k + count) // (2 * count)
        case Remainders.CUMULATIVE_ROUND_DOWN:
            return total * k // count
        case Remainders.FRONT_LOADED:
            return each * k + min(k, left)
        case Remainders.BACK_LOADED:
            return each * k + max(0, k - (count - left))
        case Remainders.FRONT_LOADED_TO_SINGLE_TRANCHE:
            return each * k + (left if k else 0)
        case Remainders.BACK_LOADED_TO_SINGLE_TRANCHE:
            return each * k + (left if k == count else 0)


def split(total: int, count: int, remainders: Remainders) -> list[int]:
    """`total` in `count` (at least 1) whole parts that sum to it exactly."""
    until = [until_part(total, count, k, remainders) for k in range(count + 1)]
    return [until[k + 1] - until[k] for k in range(count)]
