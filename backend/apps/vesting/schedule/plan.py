"""Terms of version 2: what vests when, and optionally a second clock of what may be transferred when.

Values of these classes are made by reading.terms_read, which checks them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from apps.vesting.schedule.dates import Span
from apps.vesting.schedule.remainders import Remainders
from apps.vesting.schedule.shares import Percentage, Share

START_DAY = "VESTING_START_DAY_OR_LAST_DAY_OF_MONTH"
# As the Open Cap Format names them (schema/enums/VestingDayOfMonth.schema.json); 0 is the start's own day.
DAYS_OF_MONTH = {f"{day:02}": day for day in range(1, 29)} | {
    "29_OR_LAST_DAY_OF_MONTH": 29,
    "30_OR_LAST_DAY_OF_MONTH": 30,
    "31_OR_LAST_DAY_OF_MONTH": 31,
    START_DAY: 0,
}


class CliffPays(StrEnum):
    """What a cliff does with what would have been paid before it."""

    ACCRUED = "accrued"  # it is paid at the cliff
    PERCENTAGE = "percentage"  # a set share of the segment is paid at the cliff, the rest after it
    NOTHING = "nothing"  # nothing accrues: the segment is counted from the end of the cliff


@dataclass(frozen=True, slots=True)
class Cliff:
    after: Span | date
    pays: CliffPays
    share: Percentage = Percentage(0)  # noqa: RUF009 - it is frozen


@dataclass(frozen=True, slots=True)
class CalendarSegment:
    """`parts` equal parts, the k-th of them k periods after the segment's start."""

    share: Share
    parts: int
    period: Span
    day_of_month: str
    cliff: Cliff | None


@dataclass(frozen=True, slots=True)
class LinearSegment:
    """Accrues with each second: floor(amount x elapsed / duration). `lasts` is in seconds or by the calendar."""

    share: Share
    lasts: int | Span
    cliff: Cliff | None


@dataclass(frozen=True, slots=True)
class Milestone:
    """Vests when staff record the event `code`. It stands beside the other segments and takes no time of theirs."""

    share: Share
    code: str


@dataclass(frozen=True, slots=True)
class Tranche:
    on: date
    share: Share


Segment = CalendarSegment | LinearSegment | Milestone


@dataclass(frozen=True, slots=True)
class Clock:
    """A share at the start, and then either segments one after another or dated tranches."""

    at_start: Share | None
    segments: tuple[Segment, ...]
    tranches: tuple[Tranche, ...]

    def shares(self) -> list[Share]:
        first = [] if self.at_start is None else [self.at_start]
        return [*first, *(part.share for part in (*self.segments, *self.tranches))]

    def milestones(self) -> list[str]:
        """The codes, in order."""
        return [segment.code for segment in self.segments if isinstance(segment, Milestone)]


@dataclass(frozen=True, slots=True)
class Plan:
    """`time_zone` (IANA) says when a date begins. Without `unlock`, what has vested may be transferred."""

    time_zone: str
    remainders: Remainders
    vesting: Clock
    unlock: Clock | None
