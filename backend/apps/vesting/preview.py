"""What terms would make of an amount, before anything is saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.core.problems import Problem, invalid
from apps.sites.models import Asset
from apps.sites.scope import require_scope
from apps.vesting.policies import policy_terms
from apps.vesting.schedule import Accrual, Curve, Part, Terms, TermsError, accrual_of
from apps.vesting.stored_terms import dated_parts, refusal_of

MOST_POINTS = 500
Point = tuple[datetime, int]
_SAMPLES = 200
_JUST_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Preview:
    """``parts`` is empty where vesting is continuous.

    ``curve`` is straight between two points, and a step is two of one instant.
    """

    asset: Asset | None
    amount_base_units: int
    start_at: datetime
    is_continuous: bool
    parts: list[Part]
    curve: list[Point]


def terms_preview(
    *,
    amount_base_units: int,
    terms: object = None,
    starts_at: datetime | None = None,
    asset_id: UUID | None = None,
    **columns: Any,
) -> Preview:
    """STEP: every part of the amount; ``starts_at`` None is a payment now. Nothing is written.

    Raises Problem 404 unknown_asset, 400 as policies.policy_create, and for what this amount does not make.
    """
    asset = Asset.objects.filter(site_id=require_scope(), id=asset_id).first() if asset_id else None
    if asset_id and asset is None:
        raise Problem("unknown_asset", 404, _("There is no such asset."))
    try:
        return _preview(amount_base_units, terms, columns, starts_at, asset)
    except TermsError as error:
        raise invalid([refusal_of(error)]) from error


def _preview(
    amount: int, terms: object, columns: Mapping[str, Any], starts_at: datetime | None, asset: Asset | None
) -> Preview:
    read = policy_terms(terms=terms, columns=columns, starts_at=starts_at)[1]
    generation_at = asset.generation_at if asset else None
    now = timezone.now()
    start_at = starts_at or max(now, generation_at or now)
    accrual = accrual_of(amount, read, start_at, generation_at=generation_at)
    return Preview(
        asset=asset,
        amount_base_units=amount,
        # Terms of version 2 begin with a whole second.
        start_at=start_at if isinstance(read, Terms) else accrual.start_at,
        is_continuous=accrual.is_continuous,
        parts=[] if accrual.is_continuous else dated_parts(amount, read, start_at),
        curve=curve_points(accrual),
    )


def curve_points(accrual: Accrual) -> list[Point]:
    """At most MOST_POINTS instants where it bends or steps, each with what is payable then; a step is two points."""
    curves = [accrual.vesting, *([accrual.unlocking] if accrual.unlocking else [])]
    instants = sorted({accrual.start_at, *(at for curve in curves for at in _bends(curve))})
    if accrual.is_continuous:
        span = instants[-1] - instants[0]
        between = (instants[0] + span * k // _SAMPLES for k in range(_SAMPLES))
        instants = sorted({*instants, *(at.replace(microsecond=0) for at in between)})
    if len(instants) > MOST_POINTS:
        instants = [instants[k * (len(instants) - 1) // (MOST_POINTS - 1)] for k in range(MOST_POINTS)]
    points: list[Point] = []
    for at in instants:
        before, now = accrual.payable_at(at - _JUST_BEFORE), accrual.payable_at(at)
        points.extend([(at, before), (at, now)] if before != now else [(at, now)])
    return points


def _bends(curve: Curve) -> Iterable[datetime]:
    yield from curve.instants
    for ramp in curve.ramps:
        yield from (ramp.begins_at, ramp.due_from, ramp.ends_at)
