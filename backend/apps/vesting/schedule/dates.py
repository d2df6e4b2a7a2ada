"""Calendar distances and instants of schedules. Months are counted from the start, never from the last date."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from apps.vesting.schedule.faults import TermsError


class PeriodUnit(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_MONTHS = {PeriodUnit.MONTH: 1, PeriodUnit.QUARTER: 3, PeriodUnit.YEAR: 12}
_DAYS = {PeriodUnit.DAY: 1, PeriodUnit.WEEK: 7}


@dataclass(frozen=True, slots=True)
class Span:
    """A calendar distance; months and days are kept apart because a month has no fixed length."""

    months: int = 0
    days: int = 0

    @classmethod
    def of(cls, count: int, unit: PeriodUnit) -> Span:
        """`count` units as months (month, quarter, year) or days (day, week)."""
        return cls(months=count * _MONTHS.get(unit, 0), days=count * _DAYS.get(unit, 0))

    def __add__(self, other: Span) -> Span:
        return Span(self.months + other.months, self.days + other.days)

    def times(self, count: int) -> Span:
        return Span(self.months * count, self.days * count)

    def longest_days(self) -> int:
        """An upper bound of its length in days."""
        return self.months * 31 + self.days


def shifted(start: datetime, span: Span, day: int = 0) -> datetime:
    """`start` moved by the span: all months at once, clamped to the last day of that month, then days.

    Counting from the start keeps 31 January + 2 months on 31 March although + 1 month is 28 February.
    `day` (1..31) takes the place of the start's own day of the month. Raises TermsError date_out_of_range.
    """
    years, month0 = divmod(start.month - 1 + span.months, 12)
    year, month = start.year + years, month0 + 1
    try:
        day = min(day or start.day, calendar.monthrange(year, month)[1])
        return start.replace(year=year, month=month, day=day) + timedelta(days=span.days)
    except (ValueError, OverflowError):
        raise TermsError("date_out_of_range", "a part lies after the year 9999") from None


def utc(instant: datetime) -> datetime:
    """The instant, which must be aware UTC. Raises TermsError start_not_utc."""
    # Another zone's date can be a day off, which moves every month end.
    if instant.utcoffset() != timedelta(0):
        raise TermsError("start_not_utc", "the start must be an aware datetime in UTC")
    return instant.replace(tzinfo=UTC)
