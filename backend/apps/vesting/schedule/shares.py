"""Shares of a whole: percentages in basis points, amounts in base units, and one that takes the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.vesting.schedule.faults import TermsError

WHOLE_BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Percentage:
    basis_points: int


@dataclass(frozen=True, slots=True)
class Amount:
    base_units: int


@dataclass(frozen=True, slots=True)
class Rest:
    """What the others leave."""


Share = Percentage | Amount | Rest


def refuse_unequal(shares: Sequence[Share], path: str) -> None:
    """Raises TermsError when no amount at all can make these shares a whole.

    percentages_not_whole: they make something else than 100 %. rest_twice. rest_missing: percentages and amounts
    together need one share that takes what is left.
    """
    basis_points = sum(share.basis_points for share in shares if isinstance(share, Percentage))
    rests = sum(isinstance(share, Rest) for share in shares)
    kinds = {type(share) for share in shares}
    if rests > 1:
        raise TermsError("rest_twice", "only one share can take the rest", path=path)
    if not rests and {Percentage, Amount} <= kinds:
        raise TermsError(
            "rest_missing", "percentages and amounts together need a share that takes the rest", path=path
        )
    exactly = kinds == {Percentage}
    if basis_points > WHOLE_BASIS_POINTS or (exactly and basis_points != WHOLE_BASIS_POINTS):
        raise TermsError(
            "percentages_not_whole", f"the percentages make {basis_points} of 10000 basis points", path=path
        )


def amounts_of(total: int, shares: Sequence[Share], path: str) -> list[int]:
    """Base units of each share of `total`; they sum to it exactly.

    Percentages are differences of cumulative floors. Raises TermsError amounts_not_total,
    amount_below_parts.
    """
    amounts: list[int] = []
    basis_points = 0
    for share in shares:
        amount = 0
        if isinstance(share, Percentage):
            before = total * basis_points // WHOLE_BASIS_POINTS
            basis_points += share.basis_points
            amount = total * basis_points // WHOLE_BASIS_POINTS - before
        elif isinstance(share, Amount):
            amount = share.base_units
        amounts.append(amount)
    left = total - sum(amounts)
    rest = next((place for place, share in enumerate(shares) if isinstance(share, Rest)), None)
    if left < 0 or (left and rest is None):
        raise TermsError("amounts_not_total", f"the shares leave {left} base units of {total}", path=path)
    if rest is not None:
        amounts[rest] = left
    if 0 in amounts:
        raise TermsError("amount_below_parts", f"{total} base units leave nothing for a share", path=path)
    return amounts


def least_of(total: int, shares: Sequence[Share], path: str) -> list[int]:
    """What each share gets at least, of `total` and of every larger amount.

    A difference of floors can fall when the total grows, a floor of its own cannot. Raises TermsError amounts_fixed
    (they make one total only), amounts_not_total, amount_below_parts.
    """
    fixed = [share.base_units for share in shares if isinstance(share, Amount)]
    rest = next((place for place, share in enumerate(shares) if isinstance(share, Rest)), None)
    if fixed and rest is None:
        raise TermsError(
            "amounts_fixed", "fixed amounts make one total only: no share takes the rest", path=path
        )
    points = [share.basis_points if isinstance(share, Percentage) else 0 for share in shares]
    amounts = [total * each // WHOLE_BASIS_POINTS for each in points]
    for place, share in enumerate(shares):
        if isinstance(share, Amount):
            amounts[place] = share.base_units
    if rest is not None:
        left = total - total * sum(points) // WHOLE_BASIS_POINTS - sum(fixed)
        if left < 0:
            raise TermsError(
                "amounts_not_total", f"the shares are {-left} base units above {total}", path=path
            )
        amounts[rest] = left
    if 0 in amounts:
        raise TermsError("amount_below_parts", f"{total} base units leave nothing for a share", path=path)
    return amounts
