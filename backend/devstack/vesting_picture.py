"""The end of the story: the vesting curve with a mark at what is released, and a short table."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from devstack.curve import Point, draw
from devstack.fireblocks_sandbox.amounts import to_units

Json = dict[str, Any]
_HEIGHT = 12
_MARK = " ◄ released"
_WIDEST, _NARROWEST = 100, 48
_AFTER_RELEASED = 3


def picture(schedule: Json, releases: Sequence[Json], asset: Json) -> str:
    """Curve, totals by state, and the releases around the last one that is released."""
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST) - len(_MARK)
    points = _points(schedule, releases, asset)
    released = sum(
        int(release["amount_base_units"]) for release in releases if release["status"] == "released"
    )
    curve = draw(points, width=width, height=_HEIGHT)
    marked = _marked(curve, width, row=released * (_HEIGHT - 1) // points[-1].amount_base_units)
    return "\n".join([marked, "", *_totals(releases, asset), "", *_table(releases, asset)])


def _points(schedule: Json, releases: Sequence[Json], asset: Json) -> list[Point]:
    sums = accumulate(int(release["amount_base_units"]) for release in releases)
    points = [
        Point(_time(release["unlock_at"]), amount, to_units(amount, asset["decimals"]))
        for release, amount in zip(releases, sums, strict=True)
    ]
    start = _time(schedule["start_at"])
    # Without a part at the start the curve begins at nothing.
    return points if points[0].at == start else [Point(start, 0, "0"), *points]


def _marked(curve: str, width: int, *, row: int) -> str:
    lines = curve.splitlines()
    line = _HEIGHT - 1 - row
    lines[line] = lines[line].ljust(width) + _MARK
    return "\n".join(lines)


def _totals(releases: Sequence[Json], asset: Json) -> list[str]:
    by_status: dict[str, list[int]] = {}
    for release in releases:
        by_status.setdefault(release["status"], []).append(int(release["amount_base_units"]))
    return [
        f"  {status:<10} {to_units(sum(amounts), asset['decimals'])} {asset['code']} in {len(amounts)} release(s)"
        for status, amounts in by_status.items()
    ]


def _table(releases: Sequence[Json], asset: Json) -> list[str]:
    last = max((i for i, release in enumerate(releases) if release["status"] == "released"), default=0)
    shown = releases[: last + 1 + _AFTER_RELEASED]
    rows = [("no.", "unlocks", asset["code"], "state", "transaction")]
    rows += [
        (
            str(release["number"]),
            release["unlock_at"][:10],
            release["amount_tokens"],
            release["status"],
            f"{release['tx_hash'][:18]}..." if release["tx_hash"] else "",
        )
        for release in shown
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [_row(row, widths) for row in rows]
    left = len(releases) - len(shown)
    return [*lines, f"  ... and {left} more, the last on {releases[-1]['unlock_at'][:10]}"] if left else lines


def _row(cells: tuple[str, ...], widths: Sequence[int]) -> str:
    number, date, amount, state, transaction = cells
    aligned = (
        number.rjust(widths[0]),
        date.ljust(widths[1]),
        amount.rjust(widths[2]),
        state.ljust(widths[3]),
    )
    return f"  {'  '.join(aligned)}  {transaction}".rstrip()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
