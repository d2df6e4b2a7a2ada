"""Reads of allocations, schedules and releases; sums are made in SQL, where big amounts stay exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from apps.sites.scope import current_site_id
from apps.vesting.freeze_models import Freeze
from apps.vesting.milestone_models import Milestone
from apps.vesting.models import COUNTED, Allocation, Release, ReleaseStatus, VestingPolicy, VestingSchedule
from apps.vesting.revoking_models import Revocation
from apps.vesting.schedule import NEVER


@dataclass(frozen=True)
class AssetSums:
    """Base units of one asset by release state; every state but `replaced` has an entry."""

    asset_id: UUID
    asset_code: str
    decimals: int
    by_status: dict[str, int]

    @property
    def total_base_units(self) -> int:
        return sum(self.by_status.values())


def allocations(*, beneficiary_id: UUID | None = None) -> QuerySet[Allocation]:
    """Allocations with their asset, of one member or of the site; to be paged by id."""
    rows = Allocation.objects.select_related("asset").filter(site_id=current_site_id())
    return rows.filter(beneficiary_id=beneficiary_id) if beneficiary_id else rows


def schedule_of(*, allocation_id: UUID, beneficiary_id: UUID | None = None) -> VestingSchedule | None:
    """An allocation's schedule with ``releases``, ``first_unlock_at`` and ``last_unlock_at``, or None."""
    rows = VestingSchedule.objects.select_related("allocation__asset").filter(
        site_id=current_site_id(), allocation_id=allocation_id
    )
    if beneficiary_id:
        rows = rows.filter(allocation__beneficiary_id=beneficiary_id)
    schedule = rows.first()
    if schedule is not None:
        is_dated = Q(unlock_at__lt=NEVER)  # the others wait for an event
        span = releases(allocation_id=allocation_id).aggregate(
            releases=Count("id"),
            first_unlock_at=Min("unlock_at", filter=is_dated),
            last_unlock_at=Max("unlock_at", filter=is_dated),
        )
        for name, value in span.items():
            setattr(schedule, name, value)
    return schedule


def releases(
    *,
    beneficiary_id: UUID | None = None,
    status: str | None = None,
    allocation_id: UUID | None = None,
    asset_id: UUID | None = None,
) -> QuerySet[Release]:
    """Releases with allocation and asset, to be paged by (unlock_at, id); what is not given does not filter.

    Replaced ones are left out: their parts are there.
    """
    wanted: dict[str, Any] = {
        "allocation__beneficiary_id": beneficiary_id,
        "status": status,
        "allocation_id": allocation_id,
        "allocation__asset_id": asset_id,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    rows = Release.objects.select_related("allocation__asset").exclude(status=ReleaseStatus.REPLACED)
    return rows.filter(site_id=current_site_id(), **given)


def sums_by_asset(
    *, beneficiary_id: UUID | None = None, allocation_id: UUID | None = None
) -> list[AssetSums]:
    """Base units by asset and release state, in the order of the assets' codes."""
    asset = ("allocation__asset_id", "allocation__asset__code", "allocation__asset__decimals")
    rows = (
        releases(beneficiary_id=beneficiary_id, allocation_id=allocation_id)
        .select_related(None)
        .order_by(*asset[1:2], *asset[:1])
        .values_list(*asset, "status")
        .annotate(total=Sum("amount_base_units"))
    )
    found: dict[UUID, AssetSums] = {}
    for asset_id, code, decimals, status, total in rows:
        sums = found.setdefault(asset_id, AssetSums(asset_id, code, decimals, dict.fromkeys(COUNTED, 0)))
        sums.by_status[status] = total
    return list(found.values())


def revocations(*, state: str | None = None, allocation_id: UUID | None = None) -> QuerySet[Revocation]:
    """Revocations of the site with their allocation's asset, to be paged by id."""
    rows = Revocation.objects.select_related("allocation__asset").filter(site_id=current_site_id())
    given = {"state": state, "allocation_id": allocation_id}
    return rows.filter(**{name: value for name, value in given.items() if value is not None})


def milestones(*, state: str | None = None, allocation_id: UUID | None = None) -> QuerySet[Milestone]:
    """Records of events of the site, to be paged by id."""
    given = {"state": state, "allocation_id": allocation_id}
    rows = Milestone.objects.filter(site_id=current_site_id())
    return rows.filter(**{name: value for name, value in given.items() if value is not None})


def waiting_by_milestone(*, allocation_id: UUID) -> dict[str, int]:
    """Base units of an allocation that wait for an event, by its code."""
    rows = releases(allocation_id=allocation_id).select_related(None).filter(unlock_at=NEVER)
    waiting = rows.exclude(status=ReleaseStatus.REVOKED).order_by("milestone")
    sums = waiting.values_list("milestone").annotate(Sum("amount_base_units"))
    return {code: int(total) for code, total in sums}


def freezes(*, allocation_id: UUID | None = None) -> QuerySet[Freeze]:
    """Pauses and disputes' freezes of the site, to be paged by id."""
    rows = Freeze.objects.filter(site_id=current_site_id())
    return rows.filter(allocation_id=allocation_id) if allocation_id else rows


def revoked_by(*, revocation_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Base units that each of these revocations has taken, by one query; 0 is left out."""
    rows = Release.objects.filter(site_id=current_site_id(), revocation_id__in=revocation_ids)
    sums = rows.order_by("revocation_id").values_list("revocation_id").annotate(Sum("amount_base_units"))
    return {revocation_id: int(total) for revocation_id, total in sums}


def policies() -> QuerySet[VestingPolicy]:
    """The site's policies, to be paged by id."""
    return VestingPolicy.objects.filter(site_id=current_site_id())
