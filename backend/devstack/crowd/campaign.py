"""A crowd from its first wish to its result."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TextIO

from devstack.crowd.books import books_of, faults_of
from devstack.crowd.market import Market
from devstack.crowd.people import first_wave
from devstack.crowd.race import Race
from devstack.crowd.report import Bar, rows_of
from devstack.crowd.watch import Watch

# A hold, the longest pause of a due order's first looks, and a busy machine.
PATIENCE_S = 300.0


@dataclass(frozen=True)
class Result:
    """``rows`` is the table, ``faults`` what is not as it must be."""

    rows: list[tuple[str, str]]
    faults: list[str]


def run_crowd(
    market: Market, *, units: int, at_once: int, seed: int, output: TextIO, patience_s: float = PATIENCE_S
) -> Result:
    """Let everybody come. ``patience_s``: given up when no unit has moved for so long."""
    bar, buyers = Bar(output), len(market.buyers)
    _bring_tokens(market, bar)
    watch = Watch(market)
    race = Race(market, at_once, bar.tell)
    try:
        race.run(first_wave(buyers=buyers, seed=seed))
        race.sell_out(patience_s=patience_s)
    finally:
        watch.stop()
    books = books_of(market, units=units)
    faults = [*faults_of(books, race.told), *sorted(watch.seen.wrong), *_bank_faults(race)]
    if not watch.seen.looks:
        faults.append("nobody looked while the race was on")
    return Result(rows_of(books, race, watch.seen, buyers=buyers), faults)


def _bring_tokens(market: Market, bar: Bar) -> None:
    numbers = range(len(market.buyers))
    with ThreadPoolExecutor(8) as pool:
        for done, _ in enumerate(pool.map(market.bring_token, numbers), start=1):
            bar.tell("tokens", done, len(numbers))


def _bank_faults(race: Race) -> list[str]:
    lost = race.bank_orders - race.held_by_bank
    return [f"not held: {lost} orders were given up while a bank was paying them"] if lost else []
