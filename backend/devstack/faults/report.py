"""The table of a campaign, and the line that moves while it runs."""

from __future__ import annotations

import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from devstack.faults.catalogue import FAULTS
from devstack.faults.checks import Judgement
from devstack.faults.steps import STEP_NAMES

_BAR_WIDTH = 24


@dataclass(frozen=True)
class Line:
    """One line of the table; ``median_s`` None: none of its runs recovered."""

    fault: str
    step: str
    runs: int
    lost: int
    doubled: int
    stranded: int
    median_s: float | None


class Progress:
    """A bar on a terminal; elsewhere one line for each stroke."""

    def __init__(self, output: TextIO, strokes: int) -> None:
        self._output, self._strokes = output, strokes
        self._redraws = output.isatty()
        self._done = 0
        self._title = ""
        self._since_s = time.monotonic()

    def begin(self, title: str) -> None:
        """The next stroke begins."""
        self._title, self._since_s = title, time.monotonic()

    def say(self, doing: str, done: int, of: int) -> None:
        """Where the stroke is."""
        if not self._redraws:
            return
        filled = _BAR_WIDTH * self._done // self._strokes
        bar = "#" * filled + "." * (_BAR_WIDTH - filled)
        waited_s = time.monotonic() - self._since_s
        text = f"  [{bar}] {self._done}/{self._strokes} {self._title}: {doing} {done}/{of} ({waited_s:.0f} s)"
        # A wrapped line could not be drawn over.
        self._output.write("\r\033[K" + text[: shutil.get_terminal_size().columns - 1])
        self._output.flush()

    def end(self, told: str) -> None:
        """The stroke is over."""
        self._done += 1
        if self._redraws:
            self._output.write("\r\033[K")
        took_s = time.monotonic() - self._since_s
        self._output.write(f"  [{self._done}/{self._strokes}] {self._title}: {told} ({took_s:.0f} s)\n")
        self._output.flush()


def lines_of(judgements: Sequence[Judgement], *, by_step: bool = True) -> list[Line]:
    """The table's lines, faults and steps in the order of their lists. Only runs that stood at their step count."""
    groups: dict[tuple[str, str], list[Judgement]] = defaultdict(list)
    for one in judgements:
        if one.run.was_reached or one.lost or one.doubled or one.stranded:
            groups[one.run.case.fault.name, one.run.case.step if by_step else ""].append(one)
    order = [fault.name for fault in FAULTS]
    steps = ["", *STEP_NAMES]
    keys = sorted(groups, key=lambda key: (order.index(key[0]), steps.index(key[1])))
    return [_line(key, groups[key]) for key in keys]


def _line(key: tuple[str, str], group: Sequence[Judgement]) -> Line:
    times = [one.run.recovery_s for one in group if one.run.recovery_s is not None]
    return Line(
        key[0],
        key[1],
        len(group),
        sum(one.lost for one in group),
        sum(one.doubled for one in group),
        sum(one.stranded for one in group),
        statistics.median(times) if times else None,
    )


def as_text(lines: Sequence[Line]) -> str:
    """Columns for a terminal."""
    return "\n".join(
        f"{fault:<24}{step:<20}{runs:>5}{lost:>6}{doubled:>9}{stranded:>10}{median:>12}"
        for fault, step, runs, lost, doubled, stranded, median in [_HEAD, *map(_cells, lines)]
    )


def as_markdown(lines: Sequence[Line]) -> str:
    """The same for a page."""
    rows = [_HEAD, ("---", "---", "--:", "--:", "--:", "--:", "--:"), *map(_cells, lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


_HEAD = ("fault", "step", "runs", "lost", "doubled", "stranded", "median (s)")


def _cells(line: Line) -> tuple[str, str, str, str, str, str, str]:
    median = "-" if line.median_s is None else f"{line.median_s:.1f}"
    counts = (line.runs, line.lost, line.doubled, line.stranded)
    runs, lost, doubled, stranded = map(str, counts)
    return line.fault, line.step or "all", runs, lost, doubled, stranded, median
