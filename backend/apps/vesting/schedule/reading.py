"""Terms as one versioned value that JSON can hold, read strictly.

Base units are decimal strings there (a JSON number above 2**53 changes in many hands), dates are YYYY-MM-DD.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar

from apps.core.time_zones import time_zone_names
from apps.vesting.schedule.dates import PeriodUnit, Span
from apps.vesting.schedule.equal import MAX_BASE_UNITS, MAX_PARTS, MAX_SPAN_DAYS, Terms
from apps.vesting.schedule.faults import TermsError, whole
from apps.vesting.schedule.plan import (
    DAYS_OF_MONTH,
    START_DAY,
    CalendarSegment,
    Cliff,
    CliffPays,
    Clock,
    LinearSegment,
    Milestone,
    Plan,
    Segment,
    Tranche,
)
from apps.vesting.schedule.remainders import Remainders
from apps.vesting.schedule.shares import (
    WHOLE_BASIS_POINTS,
    Amount,
    Percentage,
    Rest,
    Share,
    refuse_unequal,
)

_EQUAL_FIELDS = ["tge_basis_points", "cliff_count", "cliff_unit", "parts", "period_count", "period_unit"]
_MAX_SECONDS = MAX_SPAN_DAYS * 86_400
_MAX_SEGMENTS = 100
Value = Mapping[str, Any]
E = TypeVar("E", bound=StrEnum)


def terms_read(value: object) -> Terms | Plan:
    """The terms that `value` (as JSON gives it) says. Raises TermsError with the path of the first fault."""
    top = _object(value, "", needs=["version"], may=None)
    version = whole("version", top["version"], lowest=1, highest=2, path="version")
    if version == 1:
        _object(top, "", needs=["version"], may=_EQUAL_FIELDS)
        return Terms(**{name: given for name, given in top.items() if name != "version"})
    _object(top, "", needs=["version", "time_zone", "vesting"], may=["remainders", "unlock"])
    zone = top["time_zone"]
    # A path-like or unknown name would otherwise be looked up among the server's files.
    if not isinstance(zone, str) or zone not in time_zone_names():
        raise TermsError("time_zone_unknown", "time_zone must be an IANA name", path="time_zone")
    unlock = top.get("unlock")
    made = Plan(
        time_zone=zone,
        remainders=_one_of(
            Remainders, top.get("remainders", Remainders.CUMULATIVE_ROUND_DOWN), "remainders", "remainders"
        ),
        vesting=_clock(top["vesting"], "vesting"),
        unlock=None if unlock is None else _clock(unlock, "unlock"),
    )
    _refuse_unclear(made)
    return made


def _refuse_unclear(plan: Plan) -> None:
    codes = plan.vesting.milestones()
    if len(set(codes)) < len(codes):
        raise TermsError("milestone_twice", "each milestone has a code of its own", path="vesting.segments")
    # The lesser of two clocks is not known by date when one of them waits for an event.
    if plan.unlock is not None and (codes or plan.unlock.milestones()):
        raise TermsError("milestone_with_unlock", "milestones and a second clock", path="unlock")


def _clock(value: object, path: str) -> Clock:
    read = _object(value, path, needs=[], may=["at_start", "segments", "tranches"])
    segments = _list(read.get("segments", []), f"{path}.segments", highest=_MAX_SEGMENTS)
    tranches = _list(read.get("tranches", []), f"{path}.tranches", highest=MAX_PARTS)
    if segments and tranches:
        raise TermsError("tranches_or_segments", "a clock has tranches or segments, not both", path=path)
    at_start = read.get("at_start")
    clock = Clock(
        at_start=None if at_start is None else _share(at_start, f"{path}.at_start"),
        segments=tuple(_segment(each, f"{path}.segments[{k}]") for k, each in enumerate(segments)),
        tranches=tuple(_tranche(each, f"{path}.tranches[{k}]") for k, each in enumerate(tranches)),
    )
    if not clock.shares():
        raise TermsError("nothing_paid", "a clock needs a start, segments or tranches", path=path)
    _refuse_unordered(clock.tranches, path)
    if _releases(clock) > MAX_PARTS:
        raise TermsError("too_many_releases", f"more than {MAX_PARTS} releases", path=path)
    refuse_unequal(clock.shares(), path)
    return clock


def _releases(clock: Clock) -> int:
    parts = sum(each.parts if isinstance(each, CalendarSegment) else 1 for each in clock.segments)
    return parts + len(clock.tranches) + (clock.at_start is not None)


def _refuse_unordered(tranches: Sequence[Tranche], path: str) -> None:
    for k in range(1, len(tranches)):
        if tranches[k].on <= tranches[k - 1].on:
            raise TermsError(
                "tranches_out_of_order",
                f"{tranches[k].on} does not follow {tranches[k - 1].on}",
                path=f"{path}.tranches[{k}].date",
            )


def _segment(value: object, path: str) -> Segment:
    kind = _object(value, path, needs=["kind", "share"], may=None)["kind"]
    if kind == "milestone":
        read = _object(value, path, needs=["kind", "share", "code"], may=[])
        return Milestone(_share(read["share"], f"{path}.share"), _code(read["code"], f"{path}.code"))
    if kind == "linear":
        read = _object(value, path, needs=["kind", "share", "lasts"], may=["cliff"])
        return LinearSegment(
            share=_share(read["share"], f"{path}.share"),
            lasts=_lasts(read["lasts"], f"{path}.lasts"),
            cliff=_cliff(read.get("cliff"), f"{path}.cliff"),
        )
    if kind != "calendar":
        raise TermsError("kind_unknown", "kind must be calendar, linear or milestone", path=f"{path}.kind")
    read = _object(value, path, needs=["kind", "share", "parts", "period"], may=["day_of_month", "cliff"])
    period = _span(read["period"], f"{path}.period")
    day = read.get("day_of_month", START_DAY)
    if not isinstance(day, str) or day not in DAYS_OF_MONTH:
        raise TermsError(
            "day_of_month_unknown", "day_of_month must be 01 to 28 or end in _LAST_DAY_OF_MONTH",
            path=f"{path}.day_of_month",
        )  # fmt: skip
    if day != START_DAY and not period.months:
        raise TermsError(
            "day_of_month_without_months", "a day of the month needs a period of months",
            path=f"{path}.day_of_month",
        )  # fmt: skip
    parts = whole("parts", read["parts"], lowest=1, highest=MAX_PARTS, path=f"{path}.parts")
    if period.times(parts).longest_days() > MAX_SPAN_DAYS:
        raise TermsError("span_too_long", "the last part lies more than 1,000 years on", path=path)
    return CalendarSegment(
        share=_share(read["share"], f"{path}.share"),
        parts=parts,
        period=period,
        day_of_month=day,
        cliff=_cliff(read.get("cliff"), f"{path}.cliff"),
    )


def _code(value: object, path: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", value):
        raise TermsError("milestone_code", "1 to 32 of a-z, 0-9, - and _, such as mainnet-launch", path=path)
    return value


def _lasts(value: object, path: str) -> int | Span:
    if isinstance(value, Mapping) and "seconds" in value:
        read = _object(value, path, needs=["seconds"], may=[])
        return whole("seconds", read["seconds"], lowest=1, highest=_MAX_SECONDS, path=f"{path}.seconds")
    return _span(value, path)


def _cliff(value: object, path: str) -> Cliff | None:
    if value is None:
        return None
    read = _object(value, path, needs=["pays"], may=["after", "date", "basis_points"])
    pays = _one_of(CliffPays, read["pays"], "pays", f"{path}.pays")
    if ("after" in read) == ("date" in read):
        raise TermsError("cliff_after_or_date", "a cliff has either after or date", path=path)
    if ("basis_points" in read) != (pays is CliffPays.PERCENTAGE):
        raise TermsError("cliff_percentage", "basis_points belong to a cliff that pays percentage", path=path)
    after = _date(read["date"], f"{path}.date") if "date" in read else _span(read["after"], f"{path}.after")
    paid = _percentage(read["basis_points"], path) if "basis_points" in read else Percentage(0)
    return Cliff(after=after, pays=pays, share=paid)


def _tranche(value: object, path: str) -> Tranche:
    read = _object(value, path, needs=["date", "share"], may=[])
    return Tranche(_date(read["date"], f"{path}.date"), _share(read["share"], f"{path}.share"))


def _share(value: object, path: str) -> Share:
    if value == "rest":
        return Rest()
    if isinstance(value, Mapping) and list(value) == ["basis_points"]:
        return _percentage(value["basis_points"], path)
    if isinstance(value, Mapping) and list(value) == ["base_units"]:
        return Amount(_base_units(value["base_units"], f"{path}.base_units"))
    raise TermsError(
        "share_unknown", 'a share is {"basis_points": n}, {"base_units": "n"} or "rest"', path=path
    )


def _percentage(value: object, path: str) -> Percentage:
    where = f"{path}.basis_points"
    return Percentage(whole("basis_points", value, lowest=1, highest=WHOLE_BASIS_POINTS, path=where))


def _base_units(value: object, path: str) -> int:
    # int() alone would take "1_000", " 7" and other people's digits.
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,78}", value):
        raise TermsError("base_units_not_whole", "base_units must be a string of digits", path=path)
    return whole("base_units", int(value), lowest=1, highest=MAX_BASE_UNITS, path=path)


def _span(value: object, path: str) -> Span:
    read = _object(value, path, needs=["count", "unit"], may=[])
    unit = _one_of(PeriodUnit, read["unit"], "unit", f"{path}.unit")
    count = whole("count", read["count"], lowest=1, highest=MAX_SPAN_DAYS, path=f"{path}.count")
    span = Span.of(count, unit)
    if span.longest_days() > MAX_SPAN_DAYS:
        raise TermsError("span_too_long", "longer than 1,000 years", path=path)
    return span


def _date(value: object, path: str) -> date:
    # fromisoformat alone would take 20270131 and 2027-W01-1 too.
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass  # such as 2027-02-30: said below
    raise TermsError("date_unknown", "must be a date as YYYY-MM-DD", path=path)


def _one_of(enum: type[E], value: object, name: str, path: str) -> E:
    if not isinstance(value, str) or value not in list(enum):
        raise TermsError(f"{name}_unknown", f"{name} must be one of {', '.join(enum)}", path=path)
    return enum(value)


def _list(value: object, path: str, *, highest: int) -> list[Any]:
    if not isinstance(value, list):
        raise TermsError("not_a_list", "must be a list", path=path)
    if len(value) > highest:
        raise TermsError("too_many_releases", f"more than {highest} entries", path=path)
    return value


def _object(value: object, path: str, *, needs: Sequence[str], may: Sequence[str] | None) -> Value:
    """`value` as an object with those keys; `may` None leaves other keys for later."""
    if not isinstance(value, Mapping):
        raise TermsError("not_an_object", "must be an object", path=path)
    for name in needs:
        if name not in value:
            raise TermsError("missing", f"{name} is missing", path=_under(path, name))
    for name in value:
        # An unknown word would otherwise be a rule that somebody believes in and nobody applies.
        if may is not None and name not in needs and name not in may:
            raise TermsError("unknown", f"{name} is not known here", path=_under(path, str(name)))
    return value


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
