"""Who comes to the sale and what each of them does, from a seed. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

LIMIT_UNITS = 2
# Three orders of one unit at once, where two units are allowed.
GREEDY_ORDERS = LIMIT_UNITS + 1


class Habit(StrEnum):
    """What a buyer does with an order that was given to them."""

    PAYS = "pays"
    ABANDONS = "abandons"  # closes the browser: the hold has to run out
    CANCELS = "cancels"
    DECLINED = "declined"  # the card is refused, and no other is tried
    BANK = "bank"  # Stripe says `processing` until the bank's word, which comes after the hold


_SHARES = {Habit.PAYS: 55, Habit.ABANDONS: 20, Habit.CANCELS: 8, Habit.DECLINED: 5, Habit.BANK: 12}


class Sale(StrEnum):
    """The two tiers of the site."""

    RUSH = "rush"  # far fewer units than are wanted
    CLOSING = "closing"  # enough for everybody, and its window ends in the middle of the race


@dataclass(frozen=True)
class Wish:
    """One order that a buyer (by number) wants to make."""

    buyer: int
    sale: Sale
    quantity_units: int
    habit: Habit


def first_wave(*, buyers: int, seed: int) -> list[Wish]:
    """Everybody's wishes in the order in which they come. Those of one greedy buyer stand side by side, so that they
    are asked at once."""
    chance = random.Random(seed)  # noqa: S311 - a schedule that can be replayed, not a secret
    groups: list[list[Wish]] = []
    for buyer in range(buyers):
        groups.append(_wishes(buyer, Sale.RUSH, chance))
        if buyer % 5 == 0:
            groups.append(_wishes(buyer, Sale.CLOSING, chance))
    chance.shuffle(groups)
    return [wish for group in groups for wish in group]


def again(wish: Wish) -> Wish:
    """The same wish of somebody who was told that nothing is left, and who pays at once when something is."""
    return Wish(wish.buyer, wish.sale, 1, Habit.PAYS)


def _wishes(buyer: int, sale: Sale, chance: random.Random) -> list[Wish]:
    habit = chance.choices(list(_SHARES), weights=list(_SHARES.values()))[0]
    if chance.random() < 0.2:
        return [Wish(buyer, sale, 1, habit)] * GREEDY_ORDERS
    return [Wish(buyer, sale, chance.choice((1, 1, LIMIT_UNITS)), habit)]
