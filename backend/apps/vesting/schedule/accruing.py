"""From a plan, a total and a start to the curve of what accrues."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from apps.vesting.schedule.accrual import Accrual, Curve, Ramp
from apps.vesting.schedule.dates import utc
from apps.vesting.schedule.equal import MAX_BASE_UNITS, Terms, parts_of
from apps.vesting.schedule.faults import TermsError, whole
from apps.vesting.schedule.place import Place
from apps.vesting.schedule.plan import (
    DAYS_OF_MONTH,
    CalendarSegment,
    Cliff,
    CliffPays,
    Clock,
    LinearSegment,
    Milestone,
    Plan,
)
from apps.vesting.schedule.remainders import Remainders, split
from apps.vesting.schedule.shares import WHOLE_BASIS_POINTS, amounts_of, least_of

Steps = list[tuple[datetime, int]]


def accrual_of(
    total_base_units: int, terms: Terms | Plan, start_at: datetime, *, generation_at: datetime | None = None
) -> Accrual:
    """What accrues of `total_base_units` (1..2**256-1) from `start_at` (aware UTC).

    A plan begins with the second of its start. Raises TermsError: those of parts_of, cliff_beyond_end,
    cliff_before_start, tranche_before_start, amount_below_parts, amounts_not_total, before_generation (something
    would be payable before the asset's generation event).
    """
    whole("total_base_units", total_base_units, lowest=1, highest=MAX_BASE_UNITS)
    start = utc(start_at)
    if isinstance(terms, Terms):
        parts = parts_of(total_base_units, terms, start)
        made = Accrual(
            total_base_units, start, Curve(tuple((p.unlock_at, p.amount_base_units) for p in parts))
        )
    else:
        start = start.replace(microsecond=0)
        unlocking = None
        if terms.unlock is not None:
            unlocking = _curve(total_base_units, terms, terms.unlock, start, "unlock")
        made = Accrual(
            total_base_units,
            start,
            _curve(total_base_units, terms, terms.vesting, start, "vesting"),
            unlocking,
        )
    if generation_at is not None and made.first_at() < generation_at:
        raise TermsError(
            "before_generation",
            f"due at {made.first_at():%Y-%m-%d %H:%M} UTC, before the asset's generation event",
        )
    return made


def refuse_below(smallest_base_units: int, plan: Plan, start_at: datetime) -> None:
    """Every amount from that one on makes a schedule. Raises TermsError as accrual_of, and amounts_fixed."""
    whole("smallest_base_units", smallest_base_units, lowest=1, highest=MAX_BASE_UNITS)
    start = utc(start_at).replace(microsecond=0)
    for clock, path in ((plan.vesting, "vesting"), (plan.unlock, "unlock")):
        if clock is not None:
            amounts = least_of(smallest_base_units, clock.shares(), path)
            _refuse_few(amounts, clock, path)
            _curve_of(amounts, plan, clock, start, path)


def _refuse_few(amounts: list[int], clock: Clock, path: str) -> None:
    """How many parts come after a cliff may hang on the day of the start: there is enough for all of them."""
    of_segments = amounts[len(amounts) - len(clock.segments) :]
    for k, (segment, amount) in enumerate(zip(clock.segments, of_segments, strict=False)):
        if not isinstance(segment, CalendarSegment):
            continue
        at_cliff = segment.cliff.share.basis_points if segment.cliff else 0
        if amount - amount * at_cliff // WHOLE_BASIS_POINTS < segment.parts:
            raise TermsError(
                "amount_below_parts",
                f"{amount} base units cannot make {segment.parts} parts on any day",
                path=f"{path}.segments[{k}]",
            )


def _curve(total: int, plan: Plan, clock: Clock, start: datetime, path: str) -> Curve:
    return _curve_of(amounts_of(total, clock.shares(), path), plan, clock, start, path)


def _curve_of(shares: list[int], plan: Plan, clock: Clock, start: datetime, path: str) -> Curve:
    zone = ZoneInfo(plan.time_zone)
    amounts = iter(shares)
    steps: Steps = []
    ramps: list[Ramp] = []
    milestones: list[tuple[str, int]] = []
    if clock.at_start is not None:
        steps.append((start, next(amounts)))
    for k, tranche in enumerate(clock.tranches):
        on = Place.on(tranche.on, zone).at
        if on < start:
            raise TermsError(
                "tranche_before_start",
                f"{tranche.on} begins before the start",
                path=f"{path}.tranches[{k}].date",
            )
        steps.append((on, next(amounts)))
    place = Place.of(start, zone)
    for k, segment in enumerate(clock.segments):
        where = f"{path}.segments[{k}]"
        if isinstance(segment, Milestone):
            milestones.append((segment.code, next(amounts)))
            continue
        cliff_at = None
        if segment.cliff is not None:
            cliff = _cliff_place(segment.cliff, place, where)
            if segment.cliff.pays is CliffPays.NOTHING:
                place = cliff
            else:
                cliff_at = cliff.at
        if isinstance(segment, CalendarSegment):
            place = _calendar(next(amounts), segment, place, cliff_at, plan.remainders, where, steps)
        else:
            place = _linear(next(amounts), segment, place, cliff_at, where, steps, ramps)
    return Curve(tuple(steps), tuple(ramps), tuple(milestones))


def _cliff_place(cliff: Cliff, place: Place, where: str) -> Place:
    if not isinstance(cliff.after, date):
        return place.plus(cliff.after)
    on = Place.on(cliff.after, place.zone)
    if on.at < place.at:
        raise TermsError(
            "cliff_before_start", f"{cliff.after} begins before the segment does", path=f"{where}.cliff"
        )
    return on


def _calendar(
    amount: int,
    segment: CalendarSegment,
    place: Place,
    cliff_at: datetime | None,
    remainders: Remainders,
    where: str,
    steps: Steps,
) -> Place:
    day = DAYS_OF_MONTH[segment.day_of_month]
    end = place.plus(segment.period.times(segment.parts), day)
    instants = [place.plus(segment.period.times(k), day).at for k in range(1, segment.parts + 1)]
    if cliff_at is not None:
        _refuse_late_cliff(cliff_at, end.at, where)
        if segment.cliff is not None and segment.cliff.pays is CliffPays.PERCENTAGE:
            amount = _at_cliff(amount, segment.cliff, cliff_at, steps)
            instants = [instant for instant in instants if instant > cliff_at]
        else:
            instants = [max(instant, cliff_at) for instant in instants]
    if not instants:
        raise TermsError("cliff_beyond_end", "no part is left after the cliff", path=f"{where}.cliff")
    if amount < len(instants):
        raise TermsError(
            "amount_below_parts", f"{amount} base units cannot make {len(instants)} parts", path=where
        )
    steps.extend(zip(instants, split(amount, len(instants), remainders), strict=True))
    return end


def _linear(
    amount: int,
    segment: LinearSegment,
    place: Place,
    cliff_at: datetime | None,
    where: str,
    steps: Steps,
    ramps: list[Ramp],
) -> Place:
    end = place.plus_seconds(segment.lasts) if isinstance(segment.lasts, int) else place.plus(segment.lasts)
    begins_at = due_from = place.at
    if cliff_at is not None and segment.cliff is not None:
        _refuse_late_cliff(cliff_at, end.at, where)
        due_from = cliff_at
        if segment.cliff.pays is CliffPays.PERCENTAGE:
            amount = _at_cliff(amount, segment.cliff, cliff_at, steps)
            begins_at = cliff_at
    ramps.append(Ramp(begins_at, end.at, due_from, amount))
    return end


def _at_cliff(amount: int, cliff: Cliff, cliff_at: datetime, steps: Steps) -> int:
    """Pays the cliff's share and returns what is left for after it."""
    paid = amount * cliff.share.basis_points // WHOLE_BASIS_POINTS
    if paid:
        steps.append((cliff_at, paid))
    return amount - paid


def _refuse_late_cliff(cliff_at: datetime, ends_at: datetime, where: str) -> None:
    if cliff_at > ends_at:
        raise TermsError(
            "cliff_beyond_end",
            f"the cliff ends at {cliff_at:%Y-%m-%d %H:%M} UTC, after the last part",
            path=f"{where}.cliff",
        )
