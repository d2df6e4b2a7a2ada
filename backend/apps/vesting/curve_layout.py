"""Where everything of a picture of amounts over time stands, in whole pixels: no float, so no rounding of a machine.

Knows no database and no image format; ``curve_drawing`` writes it as SVG, ``curve_image`` as PNG.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from apps.core.amounts import format_base_units

WIDTH, HEIGHT = 900, 420
LEFT, RIGHT, TOP, BOTTOM = 150, 876, 76, 344
GREY, BLACK = "#6b7280", "#111827"
_GRID_STEPS = 4
_LONGEST_AMOUNT = 16
_SHORT_SPAN = timedelta(days=3)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: ``points`` are (aware instant, base units) in order of time.

    "step": an amount holds until the next instant, the last one until ``until`` or else to the right edge; of what
    happens within one column of pixels, or at one instant, the end is drawn. "line": straight from point to point,
    upright between two of one instant.
    """

    title: str
    points: Sequence[tuple[datetime, int]]
    shape: Literal["step", "line"] = "step"
    colour: str = "#2563eb"  # six hexadecimal digits
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """What to draw. The time axis goes from the first to the last instant of all series and ``mark_at``.

    ``mark_at`` is an instant to mark with ``mark_title``; ``footnotes`` are lines below (a content hash, say).
    """

    title: str
    series: Sequence[Series]
    decimals: int
    unit: str
    mark_at: datetime | None = None
    mark_title: str = ""
    footnotes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """``at`` is the left, the middle or the right end of its base line."""

    at: tuple[int, int]
    text: str
    colour: str = GREY
    size: int = 12
    anchor: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True, slots=True)
class Path:
    points: Sequence[tuple[int, int]]
    colour: str
    width: int = 1


@dataclass(slots=True)
class Layout:
    """Paths, then texts, both in the order of drawing."""

    paths: list[Path] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)


def layout_of(picture: Picture) -> Layout:
    """Every line and text of the picture. Raises ValueError for an amount below 0 and for a naive instant."""
    instants = [at for series in picture.series for at, _ in series.points]
    instants += [picture.mark_at] if picture.mark_at else []
    amounts = [amount for series in picture.series for _, amount in series.points]
    if any(amount < 0 for amount in amounts) or any(at.tzinfo is None for at in instants):
        raise ValueError("a picture is of amounts from 0 up at aware instants")
    laid = Layout(texts=[Text((24, 30), picture.title, BLACK, 16)])
    axes = _Axes(*_ends(instants), top=max(amounts, default=0))
    _draw_grid(laid, axes, picture)
    _draw_series(laid, axes, picture.series)
    if picture.mark_at:
        x = axes.x(picture.mark_at)
        laid.paths.append(Path([(x, TOP), (x, BOTTOM)], GREY))
        laid.texts.append(Text((x, TOP - 6), picture.mark_title, GREY, 11, _anchor(x)))
    for line, footnote in enumerate(picture.footnotes):
        laid.texts.append(Text((24, BOTTOM + 44 + 16 * line), footnote, GREY, 11))
    return laid


@dataclass(frozen=True, slots=True)
class _Axes:
    first: datetime
    last: datetime
    top: int

    def x(self, at: datetime) -> int:
        span = (self.last - self.first) // _MICROSECOND
        return LEFT + (at - self.first) // _MICROSECOND * (RIGHT - LEFT) // span

    def y(self, amount_base_units: int) -> int:
        return BOTTOM - amount_base_units * (BOTTOM - TOP) // max(self.top, 1)


def _ends(instants: Sequence[datetime]) -> tuple[datetime, datetime]:
    """First and last instant; apart at least, so that everything has a place."""
    if not instants:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return epoch, epoch + timedelta(days=1)
    first, last = (at.astimezone(UTC) for at in (min(instants), max(instants)))
    return first, last if last > first else first + timedelta(days=1)


def _draw_grid(laid: Layout, axes: _Axes, picture: Picture) -> None:
    laid.texts.append(Text((LEFT - 8, TOP - 10), picture.unit, GREY, 11, "end"))
    for step in range(_GRID_STEPS + 1):
        amount = axes.top * step // _GRID_STEPS
        y = axes.y(amount)
        laid.paths.append(Path([(LEFT, y), (RIGHT, y)], "#e5e7eb" if step else GREY))
        # Of a top below 4 base units two lines would bear one number.
        if step == 0 or amount != axes.top * (step - 1) // _GRID_STEPS:
            laid.texts.append(
                Text((LEFT - 8, y + 4), _short(amount, picture.decimals), GREY, 11, "end"),
            )
    written = "%Y-%m-%d" if axes.last - axes.first > _SHORT_SPAN else "%Y-%m-%d %H:%M"
    for step in range(_GRID_STEPS + 1):
        at = axes.first + (axes.last - axes.first) * step // _GRID_STEPS
        x = axes.x(at)
        laid.paths.append(Path([(x, BOTTOM), (x, BOTTOM + 4)], GREY))
        laid.texts.append(Text((x, BOTTOM + 20), f"{at:{written}}", GREY, 11, _anchor(x)))


def _draw_series(laid: Layout, axes: _Axes, series: Sequence[Series]) -> None:
    x = 24
    for one in series:
        laid.paths.append(Path([(x, 48), (x + 18, 48)], one.colour, 3))
        laid.texts.append(Text((x + 24, 52), one.title, BLACK, 12))
        x += 48 + 8 * len(one.title)
        pixels = _pixels(one, axes)
        if len(pixels) > 1:
            laid.paths.append(Path(pixels, one.colour, 2))


def _pixels(series: Series, axes: _Axes) -> list[tuple[int, int]]:
    """The curve's corners; what falls on one column is drawn once: of 10,000 releases at most some 1,500 remain."""
    points = [(axes.x(at), axes.y(amount)) for at, amount in series.points]
    if series.shape == "step" and points:
        # A release that is split leaves and comes back within microseconds: no spike of that.
        levels = dict(points)
        points = [*levels.items(), (axes.x(series.until) if series.until else RIGHT, points[-1][1])]
    found: list[tuple[int, int]] = []
    for x, y in points:
        if series.shape == "step" and found and found[-1][0] != x:
            _add(found, (x, found[-1][1]))
        _add(found, (x, y))
    return found


def _add(found: list[tuple[int, int]], point: tuple[int, int]) -> None:
    """A corner, in place of the one before when the three stand on one level or upright line in one direction."""
    if len(found) > 1:
        (x1, y1), (x2, y2), (x3, y3) = found[-2], found[-1], point
        if (x1 == x2 == x3 and (y2 - y1) * (y3 - y2) >= 0) or (y1 == y2 == y3 and (x2 - x1) * (x3 - x2) >= 0):
            found.pop()
    if not found or found[-1] != point:
        found.append(point)


def _anchor(x: int) -> Literal["start", "middle", "end"]:
    if x < LEFT + 60:
        return "start"
    return "end" if x > RIGHT - 60 else "middle"


def _short(amount_base_units: int, decimals: int) -> str:
    """Whole tokens, exact where they fit beside the axis; cut (never rounded up) where they do not."""
    exact = format_base_units(amount_base_units, decimals)
    whole, _, fraction = exact.partition(".")
    if len(whole) > _LONGEST_AMOUNT:
        return f"{whole[0]}.{whole[1:4]}e{len(whole) - 1}"
    room = max(_LONGEST_AMOUNT - len(whole) - 1, 0)
    cut = fraction[:room].rstrip("0")
    return f"{whole}.{cut}" if cut else whole
