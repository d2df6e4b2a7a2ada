"""Making allocations and policies."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Subquery

from apps.core.ids import uuid7
from apps.sites.models import Asset
from apps.sites.scope import current_site_id, require_scope
from apps.vesting.models import TERMS_FIELDS, Allocation, VestingPolicy, VestingSchedule
from apps.vesting.schedule import Part
from apps.vesting.stored_terms import dated_parts, terms_of

# Arrays travel as text: psycopg2 writes a list of UUIDs or of big integers in its own way otherwise.
_INSERT_RELEASES = """
INSERT INTO vesting_release (id, site_id, schedule_id, allocation_id, number, unlock_at, amount_base_units,
                             status, tx_hash, milestone)
SELECT t.id, %(site)s, %(schedule)s, %(allocation)s, t.number, t.unlock_at, t.amount, 'locked', '', t.milestone
FROM unnest(%(ids)s::uuid[], %(numbers)s::int[], %(unlock_ats)s::timestamptz[], %(amounts)s::numeric[],
            %(milestones)s::text[])
     AS t (id, number, unlock_at, amount, milestone)
"""


def allocation_grant(
    *,
    asset_id: UUID,
    beneficiary_id: UUID,
    policy_id: UUID,
    amount_base_units: int,
    source_kind: str,
    source_id: UUID,
    starts_at: datetime,
) -> Allocation:
    """STEP: an allocation with its frozen schedule and all its releases.

    Vesting starts at the policy's own date, or else at ``starts_at`` (aware UTC), but not before the asset's
    generation event. A second call for the same
    source changes nothing and returns the first one's allocation, also when both run at once. Raises
    VestingPolicy.DoesNotExist and schedule.TermsError.
    """
    site_id = require_scope()
    allocation = Allocation(
        asset_id=asset_id,
        beneficiary_id=beneficiary_id,
        amount_base_units=amount_base_units,
        source_kind=source_kind,
        source_id=source_id,
    )
    # A plain INSERT would break the caller's transaction when another one was first.
    Allocation.objects.bulk_create([allocation], ignore_conflicts=True)
    found = Allocation.objects.get(site_id=site_id, source_kind=source_kind, source_id=source_id)
    if found.id == allocation.id:
        _schedule_make(found, policy_id, starts_at)
    return found


def _schedule_make(allocation: Allocation, policy_id: UUID, starts_at: datetime) -> None:
    generation = Asset.objects.filter(site_id=current_site_id(), id=allocation.asset_id)
    policies = VestingPolicy.objects.filter(site_id=current_site_id())
    policy = policies.annotate(generation_at=Subquery(generation.values("generation_at"))).get(id=policy_id)
    schedule = VestingSchedule(
        allocation_id=allocation.id,
        policy_id=policy.id,
        start_at=policy.starts_at or max(starts_at, policy.generation_at or starts_at),
        total_base_units=allocation.amount_base_units,
        **{name: getattr(policy, name) for name in TERMS_FIELDS},
    )
    parts = dated_parts(allocation.amount_base_units, terms_of(schedule), schedule.start_at)
    schedule.save(force_insert=True)
    _releases_insert(schedule, parts)


def _releases_insert(schedule: VestingSchedule, parts: list[Part]) -> None:
    # One statement however many parts: a daily schedule over years has thousands.
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_RELEASES,
            {
                "site": current_site_id(),
                "schedule": schedule.id,
                "allocation": schedule.allocation_id,
                "ids": [str(uuid7()) for _ in parts],
                "numbers": [part.index for part in parts],
                "unlock_ats": [part.unlock_at for part in parts],
                "amounts": [str(part.amount_base_units) for part in parts],
                "milestones": [part.milestone for part in parts],
            },
        )
