"""The curves of a statement: vested by its dates, unlocked and released as history says, up to its instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.sites.scope import current_site_id
from apps.vesting.curve_layout import Picture, Series
from apps.vesting.models import Release, ReleaseStatus
from apps.vesting.schedule import NEVER
from apps.vesting.statement_document import sha256_of

_RELEASED = frozenset({ReleaseStatus.RELEASED.value})
_UNLOCKED = _RELEASED | {ReleaseStatus.UNLOCKED, ReleaseStatus.PROCESSING, ReleaseStatus.HELD}
Points = list[tuple[datetime, int]]


def picture_of(statement: dict[str, Any], *, asset_code: str | None = None) -> Picture:
    """The curves of one asset of a statement; of the first by code when none is named. Raises Problem 404 not_found.

    Words are not translated: the same statement gives the same bytes in whichever language it is asked for.
    """
    assets = {asset["asset_code"]: asset for asset in statement["assets"]}
    if asset_code is not None and asset_code not in assets:
        raise Problem("not_found", 404, _("Nothing of such an asset was allocated by then."))
    as_of, digest = datetime.fromisoformat(statement["as_of"]), sha256_of(statement)
    footnotes = [f"As of {statement['as_of']}", f"Statement sha256 {digest}"]
    code = asset_code or next(iter(assets), None)
    if code is None:
        return Picture("Nothing was allocated", [], 0, "", footnotes=footnotes)
    allocations = [row for row in statement["allocations"] if row["asset_code"] == code]
    unlocked, released = _from_history(UUID(statement["beneficiary_id"]), code, as_of)
    series = [
        Series("Vested", _vested(allocations), colour="#2563eb"),
        Series("Unlocked", unlocked, colour="#d97706", until=as_of),
        Series("Released", released, colour="#059669", until=as_of),
    ]
    decimals = assets[code]["decimals"]
    return Picture(f"{code} over time", series, decimals, code, as_of, "as of", footnotes)


def pictures_of(statement: dict[str, Any]) -> list[Picture]:
    """One picture an asset, by code."""
    return [picture_of(statement, asset_code=asset["asset_code"]) for asset in statement["assets"]]


def _vested(allocations: Sequence[dict[str, Any]]) -> Points:
    """What was or will be due at each date, of what was not revoked by the statement's instant."""
    due = sorted(
        (datetime.fromisoformat(release["unlock_at"]), int(release["amount_base_units"]))
        for allocation in allocations
        for release in allocation["releases"]
        # What waits for a milestone has no date, and would stretch the picture to the year 9999.
        if release["state"] != ReleaseStatus.REVOKED and datetime.fromisoformat(release["unlock_at"]) != NEVER
    )
    points: dict[datetime, int] = {min(datetime.fromisoformat(row["created_at"]) for row in allocations): 0}
    if due and due[0][0] < next(iter(points)):
        points = {due[0][0]: 0}
    total = 0
    for at, amount in due:
        total += amount
        points[at] = total
    return sorted(points.items())


def _from_history(beneficiary_id: UUID, asset_code: str, as_of: datetime) -> tuple[Points, Points]:
    """(unlocked, released) after every change of one of the releases by then, replaced ones too."""
    rows = Release.objects.filter(
        site_id=current_site_id(),
        allocation__beneficiary_id=beneficiary_id,
        allocation__asset__code=asset_code,
    )
    amounts = {row_id: int(amount) for row_id, amount in rows.values_list("id", "amount_base_units")}
    events = AuditEvent.objects.filter(
        site_id=current_site_id(), row_id__in=list(amounts), table_name=Release._meta.db_table, at__lte=as_of
    )
    states: dict[UUID, str] = {}
    unlocked: dict[datetime, int] = {}
    released: dict[datetime, int] = {}
    sums = [0, 0]
    for row_id, at, after in events.order_by("at", "id").values_list("row_id", "at", "after"):
        before, now = states.get(row_id, ""), str((after or {}).get("status", ""))
        states[row_id] = now
        sums[0] += amounts[row_id] * ((now in _UNLOCKED) - (before in _UNLOCKED))
        sums[1] += amounts[row_id] * ((now in _RELEASED) - (before in _RELEASED))
        unlocked[at], released[at] = sums
    return list(unlocked.items()), list(released.items())
