"""What a beneficiary had at an instant, from history: the same instant always gives the same answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit.models import AuditEvent
from apps.core.instants import utc_text
from apps.core.problems import Problem
from apps.sites.scope import current_site_id
from apps.vesting.models import Allocation, Release, ReleaseStatus
from apps.vesting.statement_document import FORMAT, SUMS

# No transaction of ours lives as long (a task's hard limit is 45 s): what history will say of an instant that lies
# further back has been committed.
SETTLED_AFTER = timedelta(seconds=60)
_SUM_OF = {
    ReleaseStatus.LOCKED: "locked",
    ReleaseStatus.UNLOCKED: "unlocked",
    ReleaseStatus.FROZEN: "frozen",
    ReleaseStatus.PROCESSING: "in_flight",
    ReleaseStatus.HELD: "in_flight",
    ReleaseStatus.RELEASED: "released",
    ReleaseStatus.REVOKED: "revoked",
}


def statement_of(*, beneficiary_id: UUID, as_of: datetime | None = None) -> dict[str, Any]:
    """The statement of a member of the open scope's site, as of an aware instant; None: the last midnight (UTC).

    Vested: due by then and not revoked, whatever became of it. Raises Problem 400 instant_not_settled.
    """
    settled = timezone.now() - SETTLED_AFTER
    instant = as_of or settled.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if instant > settled:
        raise Problem(
            "instant_not_settled",
            400,
            _("A statement is of an instant at least 60 seconds back; wait a moment."),
        )
    rows = Allocation.objects.select_related("asset").filter(
        site_id=current_site_id(), beneficiary_id=beneficiary_id, created_at__lte=instant
    )
    releases = _releases_as_of(beneficiary_id, instant)
    allocations = [
        _allocation(row, releases.get(row.id, []), instant) for row in rows.order_by("created_at", "id")
    ]
    return {
        "format": FORMAT,
        "site_id": str(current_site_id()),
        "beneficiary_id": str(beneficiary_id),
        "as_of": utc_text(instant),
        "assets": _assets(allocations),
        "allocations": allocations,
    }


def _releases_as_of(beneficiary_id: UUID, instant: datetime) -> dict[UUID, list[tuple[Release, str, str]]]:
    """(release, state, hash) by allocation, by (unlock_at, number); what was replaced by then is left out."""
    found: dict[UUID, list[tuple[Release, str, str]]] = defaultdict(list)
    rows = Release.objects.filter(site_id=current_site_id(), allocation__beneficiary_id=beneficiary_id)
    states = _states_as_of(rows.values_list("id", flat=True), instant)
    for release in rows.order_by("unlock_at", "number"):
        state, tx_hash = states.get(release.id, ("", ""))
        if state and state != ReleaseStatus.REPLACED:
            found[release.allocation_id].append((release, state, tx_hash))
    return found


def _states_as_of(release_ids: Any, instant: datetime) -> dict[UUID, tuple[str, str]]:
    events = AuditEvent.objects.filter(
        site_id=current_site_id(), row_id__in=release_ids, table_name=Release._meta.db_table, at__lte=instant
    )
    last = events.order_by("row_id", "-at", "-id").distinct("row_id").values_list("row_id", "after")
    return {row_id: (after["status"], after["tx_hash"] or "") for row_id, after in last if after}


def _allocation(
    row: Allocation, releases: Iterable[tuple[Release, str, str]], instant: datetime
) -> dict[str, Any]:
    sums = dict.fromkeys(SUMS, 0)
    sums["granted"] = row.amount_base_units
    shown = []
    for release, state, tx_hash in releases:
        amount = release.amount_base_units
        sums[_SUM_OF[ReleaseStatus(state)]] += amount
        if release.unlock_at <= instant and state != ReleaseStatus.REVOKED:
            sums["vested"] += amount
        shown.append(
            {
                "id": str(release.id),
                "number": release.number,
                "unlock_at": utc_text(release.unlock_at),
                "amount_base_units": str(amount),
                "state": state,
                "tx_hash": tx_hash,
                # Only where there is one: statements that were given out before keep their bytes.
                **({"milestone": release.milestone} if release.milestone else {}),
            }
        )
    return {
        "id": str(row.id),
        "asset_code": row.asset.code,
        "decimals": row.asset.decimals,
        "source_kind": row.source_kind,
        "source_id": str(row.source_id),
        "created_at": utc_text(row.created_at),
        "base_units": {name: str(amount) for name, amount in sums.items()},
        "releases": shown,
    }


def _assets(allocations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    totals: dict[str, dict[str, int]] = {}
    decimals: dict[str, int] = {}
    for allocation in allocations:
        code = allocation["asset_code"]
        decimals[code] = allocation["decimals"]
        sums = totals.setdefault(code, dict.fromkeys(SUMS, 0))
        for name in SUMS:
            sums[name] += int(allocation["base_units"][name])
    return [
        {
            "asset_code": code,
            "decimals": decimals[code],
            "base_units": {name: str(amount) for name, amount in sums.items()},
        }
        for code, sums in sorted(totals.items())
    ]
