"""Tokens of money that goes back: revoked while they are ours, recorded as owed back once they were paid out.

Every function is idempotent in the totals it is given, and may be repeated until nothing waits. Locks
(docs/locking.md): payouts and their batches, then the allocation, then its releases by (unlock_at, id).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet, Sum

from apps.payouts.batches import RowsDisagree, payouts_cancel_unsent
from apps.sites.scope import current_site_id, require_scope
from apps.vesting.allocation_lock import allocation_locked
from apps.vesting.models import REVOCABLE, Allocation, Receivable, Release, ReleaseStatus
from apps.vesting.proportion import cuts_of, part_of
from apps.vesting.splitting import SplitPart, parts_insert


@dataclass(frozen=True, slots=True)
class Revoked:
    """Base units: revoked and recorded as owed by this call; ``waiting`` are in flight, and decided later."""

    revoked: int = 0
    owed: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Cause:
    """The refund or dispute after which tokens are owed back."""

    kind: str
    id: UUID


def allocation_revoke_part(
    *, allocation_id: UUID, returned_minor: int, paid_minor: int, cause: Cause
) -> Revoked:
    """STEP: bring what was taken back of an allocation to floor(tokens * returned / paid), never below.

    Not yet released tokens are revoked, each release in proportion; payouts that nobody has begun to send are
    cancelled for it. Only what cannot be revoked any more is recorded as owed, once it has been paid out; what is
    being sent is ``waiting``: call again later. The same or a lower total changes nothing.
    """
    allocation = allocation_locked(allocation_id)
    target = part_of(allocation.amount_base_units, returned_minor, paid_minor)
    if _taken_back(allocation_id) >= target:
        return Revoked()
    _cancel_unsent(allocation_id)
    live = _live(allocation_id)
    missing = target - _taken_back(allocation_id)
    ours = sum(release.amount_base_units for release in live)
    take = min(missing, ours)
    _revoke(live, take)
    released = _sum(allocation_id, ReleaseStatus.RELEASED)
    in_flight = (
        allocation.amount_base_units - _sum(allocation_id, ReleaseStatus.REVOKED) - released - (ours - take)
    )
    owed = max(0, missing - take - in_flight)
    if owed:
        Receivable.objects.create(
            allocation_id=allocation_id, amount_base_units=owed, cause_kind=cause.kind, cause_id=cause.id
        )
    return Revoked(revoked=take, owed=owed, waiting=missing - take - owed)


def all_taken_back(*, allocation_id: UUID) -> bool:
    """STEP: whether every token of the allocation was revoked, so that none is with the beneficiary."""
    rows = Release.objects.filter(site_id=require_scope(), allocation_id=allocation_id)
    return not rows.exclude(status__in=[ReleaseStatus.REVOKED, ReleaseStatus.REPLACED]).exists()


def more_taken_back(*, allocation_id: UUID, returned_minor: int, paid_minor: int) -> bool:
    """STEP: whether money that went back took more of an allocation than floor(tokens * returned / paid).

    What staff revoked is not for money.
    """
    allocation = Allocation.objects.get(site_id=require_scope(), id=allocation_id)
    by_staff = _total(_of(allocation_id).filter(revocation__isnull=False))
    for_money = _taken_back(allocation_id) - by_staff
    return for_money > part_of(allocation.amount_base_units, returned_minor, paid_minor)


def _cancel_unsent(allocation_id: UUID) -> None:
    carried = Release.objects.filter(
        site_id=current_site_id(), allocation_id=allocation_id, status=ReleaseStatus.PROCESSING
    )
    payout_ids = list(carried.order_by("payout_id").values_list("payout_id", flat=True).distinct())
    if payout_ids:
        payouts_cancel_unsent(payout_ids=payout_ids)


def _live(allocation_id: UUID) -> list[Release]:
    rows = Release.objects.filter(
        site_id=current_site_id(), allocation_id=allocation_id, status__in=REVOCABLE
    )
    return list(rows.select_for_update(of=("self",)).order_by("unlock_at", "id"))


def _sum(allocation_id: UUID, status: ReleaseStatus) -> int:
    return _total(_of(allocation_id).filter(status=status))


def _of(allocation_id: UUID) -> QuerySet[Release]:
    return Release.objects.filter(site_id=current_site_id(), allocation_id=allocation_id)


def _total(rows: QuerySet[Release]) -> int:
    return int(rows.aggregate(total=Sum("amount_base_units"))["total"] or 0)


def _taken_back(allocation_id: UUID) -> int:
    rows = Receivable.objects.filter(site_id=current_site_id(), allocation_id=allocation_id)
    owed = rows.aggregate(total=Sum("amount_base_units"))["total"] or 0
    return int(owed) + _sum(allocation_id, ReleaseStatus.REVOKED)


def _revoke(live: Sequence[Release], take: int) -> None:
    cuts = cuts_of([release.amount_base_units for release in live], take)
    pairs = list(zip(live, cuts, strict=True))
    _leave([r.id for r, cut in pairs if cut == r.amount_base_units], ReleaseStatus.REVOKED)
    split = [(r, cut) for r, cut in pairs if 0 < cut < r.amount_base_units]
    if split:
        _leave([release.id for release, _cut in split], ReleaseStatus.REPLACED)
        # the part that goes on, then the part that is revoked
        parts = [
            part
            for release, cut in split
            for part in (
                SplitPart(release.id, release.amount_base_units - cut, release.status, release.frozen_from),
                SplitPart(release.id, cut, ReleaseStatus.REVOKED.value),
            )
        ]
        parts_insert(parts, schedule_id=split[0][0].schedule_id)


def _leave(ids: Sequence[UUID], status: ReleaseStatus) -> None:
    rows = Release.objects.filter(site_id=current_site_id(), id__in=ids, status__in=REVOCABLE)
    if rows.update(status=status, frozen_from="") != len(ids):
        raise RowsDisagree(f"not all of {len(ids)} locked releases became {status}")
