"""Two ways of one thing, timed in turn, so that a slow moment of the machine hits both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """``ratio`` is the subject's median over the baseline's; both in milliseconds."""

    name: str
    baseline_ms: float
    subject_ms: float
    reference: str

    @property
    def ratio(self) -> float:
        return self.subject_ms / self.baseline_ms


def compare(
    name: str, baseline: Callable[[], object], subject: Callable[[], object], *, rounds: int, reference: str
) -> Comparison:
    """Run both ``rounds`` times in turn after a warm-up of each."""
    baseline()
    subject()
    times_s: tuple[list[float], list[float]] = ([], [])
    ways = list(zip(times_s, (baseline, subject), strict=True))
    for _ in range(rounds):
        ways.reverse()  # who comes second finds the pages warm: take turns at that too
        for spent_s, way in ways:
            started_s = time.perf_counter()
            way()
            spent_s.append(time.perf_counter() - started_s)
    baseline_ms, subject_ms = (statistics.median(spent_s) * 1000 for spent_s in times_s)
    return Comparison(name, baseline_ms, subject_ms, reference)


def table(title: str, rows: list[Comparison], *, baseline: str, subject: str) -> str:
    """The comparisons as lines of text."""
    head = f"{'':34} {baseline:>14} {subject:>14} {'ratio':>7}  reference"
    lines = [
        f"{row.name:34} {row.baseline_ms:>11.3f} ms {row.subject_ms:>11.3f} ms {row.ratio:>7.2f}  {row.reference}"
        for row in rows
    ]
    return "\n".join([title, head, *lines])
