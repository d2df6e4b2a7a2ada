"""Terms of version 1, the columns of a policy and a schedule: a part at the start, then equal parts.

Amounts are whole base units (up to 2**256 - 1), percentages are basis points, instants are aware UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from apps.vesting.schedule.dates import PeriodUnit, Span, shifted, utc
from apps.vesting.schedule.faults import TermsError, whole

MAX_BASE_UNITS = 2**256 - 1
MAX_PARTS = 10_000
# A schedule whose last date lies behind the calendar's end could be sold and then never be made.
MAX_SPAN_DAYS = 366 * 1_000
WHOLE_BASIS_POINTS = 10_000
# In place of a date that nobody knows: later than every date of terms and every look.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is paid when.

    `tge_basis_points` of the total are paid at the start; the rest follows in `parts` equal parts, the
    k-th of them k periods after the end of the cliff. Nothing accrues on the cliff's last day itself.
    Raises TermsError when the terms contradict themselves.
    """

    tge_basis_points: int = 0
    cliff_count: int = 0
    cliff_unit: PeriodUnit = PeriodUnit.MONTH
    parts: int = 0
    period_count: int = 1
    period_unit: PeriodUnit = PeriodUnit.MONTH

    def __post_init__(self) -> None:
        whole("tge_basis_points", self.tge_basis_points, lowest=0, highest=WHOLE_BASIS_POINTS)
        whole("cliff_count", self.cliff_count, lowest=0, highest=MAX_SPAN_DAYS)
        whole("parts", self.parts, lowest=0, highest=MAX_PARTS)
        whole("period_count", self.period_count, lowest=1, highest=MAX_SPAN_DAYS)
        # Values from a form or a row arrive as text; an unknown one must not fall back to zero days.
        object.__setattr__(self, "cliff_unit", _unit("cliff_unit", self.cliff_unit))
        object.__setattr__(self, "period_unit", _unit("period_unit", self.period_unit))
        if self.parts == 0 and self.tge_basis_points != WHOLE_BASIS_POINTS:
            raise TermsError("parts_missing", "without parts the whole amount must be paid at the start")
        if self.offset_of(self.parts).longest_days() > MAX_SPAN_DAYS:
            raise TermsError("span_too_long", "the last part lies more than 1,000 years after the start")

    def offset_of(self, k: int) -> Span:
        """Distance of the k-th part (1..parts) from the start; 0 is the end of the cliff."""
        return Span.of(self.cliff_count, self.cliff_unit) + Span.of(
            self.period_count, self.period_unit
        ).times(k)


@dataclass(frozen=True, slots=True)
class Part:
    """One dated amount. Index 0 is paid at the start, 1..n are the parts after the cliff.

    One of a milestone is dated NEVER, until its event is recorded.
    """

    index: int
    unlock_at: datetime
    amount_base_units: int
    milestone: str = ""


def parts_of(total_base_units: int, terms: Terms, start_at: datetime) -> list[Part]:
    """The dated parts of `total_base_units` (1..2**256-1), in order of time; they sum to it exactly.

    `start_at` must be aware UTC. Parts that come to nothing are left out. Raises TermsError.
    """
    whole("total_base_units", total_base_units, lowest=1, highest=MAX_BASE_UNITS)
    start = utc(start_at)
    at_start = total_base_units * terms.tge_basis_points // WHOLE_BASIS_POINTS
    parts = [Part(0, start, at_start)]
    for k, amount in enumerate(_equal_parts(total_base_units - at_start, terms.parts), start=1):
        parts.append(Part(k, shifted(start, terms.offset_of(k)), amount))
    return [part for part in parts if part.amount_base_units]


def vested_at(parts: Iterable[Part], instant: datetime) -> int:
    """Base units of the parts whose time has come at `instant` (aware); the instant itself counts."""
    return sum(part.amount_base_units for part in parts if part.unlock_at <= instant)


def _equal_parts(total: int, count: int) -> Iterator[int]:
    """Differences of cumulative floors: a floor for each part alone would lose base units."""
    before = 0
    for k in range(1, count + 1):
        until = total * k // count
        yield until - before
        before = until


def _unit(name: str, value: str) -> PeriodUnit:
    try:
        return PeriodUnit(value)
    except ValueError:
        raise TermsError(f"{name}_unknown", f"{name} must be one of {', '.join(PeriodUnit)}") from None
