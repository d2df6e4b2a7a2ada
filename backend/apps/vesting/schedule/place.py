"""Where the calendar stands while segments follow each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from apps.vesting.schedule.dates import Span, shifted
from apps.vesting.schedule.faults import TermsError


@dataclass(frozen=True, slots=True)
class Place:
    """An instant (`at`, UTC) and how to count on from it: `months` after `anchor`, a wall clock of `zone`.

    Months are added to the anchor all at once, so that clamping to a short month never sticks.
    """

    at: datetime
    anchor: datetime
    months: int
    zone: ZoneInfo

    @classmethod
    def of(cls, at: datetime, zone: ZoneInfo) -> Place:
        return cls(at, at.astimezone(zone).replace(tzinfo=None, fold=0), 0, zone)

    @classmethod
    def on(cls, day: date, zone: ZoneInfo) -> Place:
        """Where that date begins."""
        wall = datetime.combine(day, time.min)
        return cls(_instant(wall, zone), wall, 0, zone)

    def plus(self, span: Span, day: int = 0) -> Place:
        """`span` later; `day` as in dates.shifted. Raises TermsError date_out_of_range."""
        wall = shifted(self.anchor, Span(self.months + span.months, span.days), day)
        at = _instant(wall, self.zone)
        # A set day, and days after months, begin a new count; months alone go on from the old anchor.
        if day or span.days:
            return Place(at, wall, 0, self.zone)
        return Place(at, self.anchor, self.months + span.months, self.zone)

    def plus_seconds(self, seconds: int) -> Place:
        """Raises TermsError date_out_of_range."""
        try:
            return Place.of(self.at + timedelta(seconds=seconds), self.zone)
        except OverflowError:
            raise TermsError("date_out_of_range", "a part lies after the year 9999") from None


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    # A time that the zone leaves out is read with the offset before the gap, a doubled one is its first (PEP 495).
    try:
        return wall.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError:
        raise TermsError("date_out_of_range", "a part lies outside the years 1 to 9999") from None
