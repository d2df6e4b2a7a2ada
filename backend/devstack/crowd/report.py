"""The line that moves while the crowd is at work, and the table afterwards."""

from __future__ import annotations

import shutil
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from devstack.crowd.books import Books
from devstack.crowd.race import Race
from devstack.crowd.shopper import Told
from devstack.crowd.watch import Seen

_BAR_WIDTH = 24
_REDRAW_S = 0.1


class Bar:
    """A bar on a terminal; elsewhere one line when a phase is over."""

    def __init__(self, output: TextIO) -> None:
        self._output, self._redraws = output, output.isatty()
        self._name, self._since_s, self._drawn_at_s = "", 0.0, 0.0

    def tell(self, name: str, done: int, of: int) -> None:
        """How far a phase is."""
        now_s = time.monotonic()
        if name != self._name:
            self._name, self._since_s = name, now_s
        if self._redraws and (done == of or now_s - self._drawn_at_s >= _REDRAW_S):
            self._drawn_at_s = now_s
            filled = _BAR_WIDTH * done // max(of, 1)
            text = f"  [{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {done}/{of} {name}"
            # A wrapped line could not be drawn over.
            self._output.write("\r\033[K" + text[: shutil.get_terminal_size().columns - 1])
            self._output.flush()
        if done == of:
            start = "\r\033[K" if self._redraws else ""
            self._output.write(f"{start}  {name}: {of} ({now_s - self._since_s:.0f} s)\n")
            self._output.flush()
            self._name = ""


def rows_of(books: Books, race: Race, seen: Seen, *, buyers: int) -> list[tuple[str, str]]:
    """The table: what, how much."""
    codes = Counter(one.code or "order made" for one in race.told)
    statuses = Counter(order.status for order in books.orders)
    rush = books.stocks[books.rush]
    given_back = sum(
        order.units for order in books.orders if order.tier == books.rush and order.status not in ("paid",)
    )
    late = sum(one.code == "tier_closed" and one.sent_at_s >= books.closes_at_s > 0 for one in race.told)
    return [
        ("buyers", str(buyers)),
        ("requests for an order (asked again)", f"{len(race.told)} ({_asked_again(race.told)})"),
        *((f"  answered: {code}", str(count)) for code, count in sorted(codes.items())),
        ("at once", str(race.at_once)),
        ("first wave", f"{race.first_wave_s:.1f} s"),
        ("answer, median and 99 of 100", _latency(race.told)),
        *((f"orders {status}", str(count)) for status, count in sorted(statuses.items())),
        ("units on sale", str(books.units)),
        ("units sold", str(rush.paid_orders)),
        ("units given back, and sold again", str(given_back)),
        ("waves that came for them", str(race.waves)),
        ("bank payments, of them held past the hold", f"{race.bank_orders}, {race.held_by_bank}"),
        ("most units in orders at once", f"{seen.peak.get(books.rush, 0)} in {seen.looks} looks"),
        ("refused because asked after the window", str(late)),
    ]


def as_text(rows: Sequence[tuple[str, str]]) -> str:
    """Columns for a terminal."""
    width = max(len(what) for what, _ in rows) + 2
    return "\n".join(f"{what:<{width}}{much}" for what, much in rows)


def as_markdown(rows: Sequence[tuple[str, str]]) -> str:
    """The same for a page."""
    return "\n".join(
        ["| what | how much |", "|---|--:|", *(f"| {what.strip()} | {much} |" for what, much in rows)]
    )


def _asked_again(told: Sequence[Told]) -> int:
    return sum(one.tries - 1 for one in told)


def _latency(told: Sequence[Told]) -> str:
    times = sorted(one.answered_at_s - one.sent_at_s for one in told)
    return f"{statistics.median(times):.2f} s, {times[len(times) * 99 // 100]:.2f} s"
