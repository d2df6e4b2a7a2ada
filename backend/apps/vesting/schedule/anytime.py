"""What has to hold before terms are sold: whenever they begin, and for every amount from the smallest on."""

from __future__ import annotations

from datetime import date

from apps.vesting.schedule.dates import Span
from apps.vesting.schedule.equal import MAX_BASE_UNITS
from apps.vesting.schedule.faults import TermsError
from apps.vesting.schedule.plan import (
    START_DAY,
    CalendarSegment,
    Cliff,
    CliffPays,
    Clock,
    LinearSegment,
    Milestone,
    Plan,
)
from apps.vesting.schedule.shares import Amount

_DAY_S = 86_400


def refuse_start_dependent(plan: Plan) -> None:
    """Terms that count from a payment begin on any day: nothing in them may hold on some days only.

    Raises TermsError dates_need_start (a set date may have passed by then), cliff_may_outlast (a cliff that is
    longer than its segment from some days on).
    """
    for clock, path in ((plan.vesting, "vesting"), (plan.unlock, "unlock")):
        if clock is not None:
            _refuse_clock(clock, path)


def probe_total(plan: Plan) -> int:
    """An amount to try the terms with: the one that fixed amounts make, or else the largest, which has every part."""
    for clock in (plan.vesting, plan.unlock):
        shares = [] if clock is None else clock.shares()
        fixed = [share.base_units for share in shares if isinstance(share, Amount)]
        if fixed and len(fixed) == len(shares):
            return sum(fixed)
    return MAX_BASE_UNITS


def _refuse_clock(clock: Clock, path: str) -> None:
    if clock.tranches:
        raise TermsError(
            "dates_need_start", "a date may have passed when vesting begins", path=f"{path}.tranches"
        )
    for k, segment in enumerate(clock.segments):
        if not isinstance(segment, Milestone) and segment.cliff is not None:
            _refuse_cliff(segment, segment.cliff, f"{path}.segments[{k}].cliff")


def _refuse_cliff(segment: CalendarSegment | LinearSegment, cliff: Cliff, path: str) -> None:
    if isinstance(cliff.after, date):
        raise TermsError("dates_need_start", "a date may have passed when vesting begins", path=path)
    if cliff.pays is not CliffPays.NOTHING and not _surely_within(cliff, cliff.after, segment):
        raise TermsError(
            "cliff_may_outlast", "from some days on the cliff lasts longer than its segment", path=path
        )


def _surely_within(cliff: Cliff, after: Span, segment: CalendarSegment | LinearSegment) -> bool:
    if isinstance(segment, LinearSegment):
        length, slack, strictly = segment.lasts, 0, False
        if isinstance(length, int):
            # A day of the calendar may have an hour more than 24.
            return (_longest_days(after) + 1) * _DAY_S <= length
    else:
        length = segment.period.times(segment.parts)
        # A set day of the month may end the last month up to 30 days early.
        slack = 0 if segment.day_of_month == START_DAY else 30
        strictly = cliff.pays is CliffPays.PERCENTAGE  # a part has to be left after it
    if not slack and ((not after.days and not length.days) or (not after.months and not length.months)):
        return after.months + after.days + strictly <= length.months + length.days
    return _longest_days(after) + strictly <= _shortest_days(length) - slack


def _longest_days(span: Span) -> int:
    years, months = divmod(span.months, 12)
    return years * 366 + months * 31 + span.days


def _shortest_days(span: Span) -> int:
    years, months = divmod(span.months, 12)
    return years * 365 + months * 28 + span.days
