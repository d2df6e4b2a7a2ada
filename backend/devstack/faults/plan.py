"""The schedule: which fault strikes which sales at which steps. Pure: the same seed gives the same schedule."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby

from devstack.faults.catalogue import Fault, Reach, cells
from devstack.faults.steps import Custody, step_named

# One site a sale, so that what passes a door says by its site whose it is.
SITES = {Custody.FIREBLOCKS: 18, Custody.EVM: 10}
MOST_CASES = 24


@dataclass(frozen=True)
class Case:
    """One sale and what is done to it. ``site`` numbers the sites of its custody from 0."""

    fault: Fault
    step: str
    custody: Custody
    site: int


@dataclass(frozen=True)
class Stroke:
    """Sales that are under way at once, each at its own step when the fault strikes.

    Faults of one sale each share a stroke; a fault of the whole stack has one to itself.
    """

    number: int
    cases: tuple[Case, ...]

    @property
    def title(self) -> str:
        """The faults' names."""
        return ", ".join(dict.fromkeys(case.fault.name for case in self.cases))


def schedule(*, seed: int, runs: int, only: Collection[tuple[str, str]] = ()) -> list[Stroke]:
    """Strokes with ``runs`` sales or more in all, every cell as often as the next one or once more.

    Raises ValueError for names that do not exist, and pairs that do not go together.
    """
    if runs < 1:
        raise ValueError("RUNS is at least 1")
    wanted = cells(only)
    if not wanted:
        raise ValueError("that fault never strikes at that step")
    chance = random.Random(seed)  # noqa: S311 - a schedule is no secret
    strokes: list[Stroke] = []
    total = 0
    while total < runs:
        for pairs in _one_pass(wanted, chance):
            strokes.append(Stroke(len(strokes) + 1, tuple(_cases(pairs, chance))))
            total += len(pairs)
            if total >= runs:
                break
    return strokes


def _one_pass(wanted: list[tuple[Fault, str]], chance: random.Random) -> list[list[tuple[Fault, str]]]:
    """Every wanted cell once, grouped into strokes, in random order."""
    single = [pair for pair in wanted if pair[0].reach is Reach.ONE]
    chance.shuffle(single)
    groups = list(_chunks(single))
    wide = [pair for pair in wanted if pair[0].reach is Reach.STACK]
    for _name, pairs in groupby(wide, key=lambda pair: pair[0].name):
        groups += list(_chunks(list(pairs)))
    chance.shuffle(groups)
    return groups


def _chunks(pairs: list[tuple[Fault, str]]) -> Iterator[list[tuple[Fault, str]]]:
    for start in range(0, len(pairs), MOST_CASES):
        yield pairs[start : start + MOST_CASES]


def _cases(pairs: list[tuple[Fault, str]], chance: random.Random) -> Iterator[Case]:
    free = {custody: list(range(count)) for custody, count in SITES.items()}
    # Who can only be in one place chooses first.
    ordered = sorted(pairs, key=lambda pair: _custody_needed(*pair) is None)
    for fault, step in ordered:
        custody = _custody_needed(fault, step) or chance.choice(list(Custody))
        if not free[custody]:
            custody = next(other for other in Custody if free[other])
        yield Case(fault, step, custody, free[custody].pop(0))


def _custody_needed(fault: Fault, step: str) -> Custody | None:
    return fault.custody or step_named(step).custody


def parse_only(text: str) -> list[tuple[str, str]]:
    """ONLY: "kill-child:send-counted, redis-flush, :settled" as pairs, "" standing for all."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    return [(word.partition(":")[0].strip(), word.partition(":")[2].strip()) for word in words]
