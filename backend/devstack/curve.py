"""Draws how an amount vests over time, for a terminal."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

MIN_WIDTH = 20
MIN_HEIGHT = 3


@dataclass(frozen=True, slots=True)
class Point:
    """From `at` on, `amount_base_units` have vested in total; `label` is that amount as people read it."""

    at: datetime
    amount_base_units: int
    label: str


def draw(points: Sequence[Point], width: int = 72, height: int = 12) -> str:
    """A step curve of the points (in order of time), `width` columns by `height` rows plus the time axis.

    Labels stand at the top, at the middle and at the bottom of the amount axis, and under both ends of
    the time axis. An empty sequence gives an empty string.
    """
    if not points:
        return ""
    height = max(height, MIN_HEIGHT)
    labels = _amount_labels(points, height)
    gutter = max(len(label) for label in labels.values())
    columns = max(width - gutter - 2, MIN_WIDTH)
    grid = _grid(_levels(points, columns, height), columns, height)
    lines = []
    for row in range(height - 1, -1, -1):
        edge = "┤" if row in labels else "│"
        lines.append(f"{labels.get(row, ''):>{gutter}} {edge}{''.join(grid[row])}".rstrip())
    lines.append(f"{'':>{gutter}} └{'─' * columns}")
    lines.append(f"{'':>{gutter}}  {_time_labels(points, columns)}")
    return "\n".join(lines)


def _levels(points: Sequence[Point], columns: int, height: int) -> list[int]:
    """The row of the curve in each column, by whole-number arithmetic only."""
    first, last = points[0].at, points[-1].at
    top = max(point.amount_base_units for point in points) or 1
    times = [point.at for point in points]
    levels = []
    for column in range(columns):
        instant = last if column == columns - 1 else first + (last - first) * column // max(columns - 1, 1)
        amount = points[bisect_right(times, instant) - 1].amount_base_units
        levels.append(amount * (height - 1) // top)
    return levels


def _grid(levels: list[int], columns: int, height: int) -> list[list[str]]:
    grid = [[" "] * columns for _ in range(height)]
    previous = 0
    for column, level in enumerate(levels):
        if level > previous:
            grid[previous][column] = "┘"
            for row in range(previous + 1, level):
                grid[row][column] = "│"
            grid[level][column] = "┌"
        else:
            grid[level][column] = "─"
        previous = level
    return grid


def _amount_labels(points: Sequence[Point], height: int) -> dict[int, str]:
    """Row -> label. The middle one is the first point that reaches half, at the row where it is drawn."""
    highest = max(points, key=lambda point: point.amount_base_units)
    top = highest.amount_base_units or 1
    labels = {0: "0"}
    half = next(point for point in points if point.amount_base_units * 2 >= highest.amount_base_units)
    labels[half.amount_base_units * (height - 1) // top] = half.label
    labels[height - 1] = highest.label
    return labels


def _time_labels(points: Sequence[Point], columns: int) -> str:
    first, last = (f"{point.at:%Y-%m-%d}" for point in (points[0], points[-1]))
    return first if first == last else f"{first}{last:>{columns - len(first)}}"
