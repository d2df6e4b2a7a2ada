"""What part of a sum is taken back, and from which of its parts: integers only, with no database in it."""

from __future__ import annotations

from collections.abc import Sequence


def part_of(total: int, numerator: int, denominator: int) -> int:
    """floor(total * numerator / denominator): everything when both are equal. Raises ValueError outside 0..1."""
    if not 0 <= numerator <= denominator or denominator <= 0:
        raise ValueError(f"{numerator}/{denominator} is no part of a whole")
    return total * numerator // denominator


def cuts_of(amounts: Sequence[int], take: int) -> list[int]:
    """How much of each amount is taken so that it makes ``take`` in all, in proportion.

    Differences of cumulative floors, as in schedule.py: they sum to ``take`` exactly, and none exceeds its amount.
    Raises ValueError when there is not as much.
    """
    whole = sum(amounts)
    if not 0 <= take <= whole:
        raise ValueError(f"{take} of {whole} cannot be taken")
    cuts, so_far, taken = [], 0, 0
    for amount in amounts:
        so_far += amount
        reached = take * so_far // whole if whole else 0
        cuts.append(reached - taken)
        taken = reached
    return cuts
