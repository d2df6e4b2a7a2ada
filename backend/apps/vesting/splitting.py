"""Replacing a release by its parts: amounts and dates of releases never change, so others take its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Max

from apps.core.ids import uuid7
from apps.payouts.batches import RowsDisagree
from apps.sites.scope import current_site_id
from apps.vesting.models import Release, ReleaseStatus

_INSERT_PARTS = """
INSERT INTO vesting_release (id, site_id, schedule_id, allocation_id, number, unlock_at, amount_base_units,
                             status, tx_hash, frozen_from, split_of_id, unlocked_at, milestone)
SELECT t.id, o.site_id, o.schedule_id, o.allocation_id, t.number, coalesce(%(unlock_at)s, o.unlock_at), t.amount,
       'locked', '', '', o.id, o.unlocked_at, o.milestone
FROM unnest(%(ids)s::uuid[], %(originals)s::uuid[], %(numbers)s::int[], %(amounts)s::numeric[])
     AS t (id, original, number, amount)
JOIN vesting_release o ON o.site_id = %(site)s AND o.id = t.original
"""
_FOLLOW = """
UPDATE vesting_release r SET status = t.status, frozen_from = t.frozen_from
FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(froms)s::text[]) AS t (id, status, frozen_from)
WHERE r.site_id = %(site)s AND r.id = t.id AND r.status = 'locked'
"""


@dataclass(frozen=True, slots=True)
class SplitPart:
    """A part that takes the place of ``original_id``, and the state that it goes on in."""

    original_id: UUID
    amount_base_units: int
    status: str
    frozen_from: str = ""


def parts_insert(parts: Sequence[SplitPart], *, schedule_id: UUID, unlock_at: datetime | None = None) -> None:
    """STEP: insert them, at their originals' date unless ``unlock_at`` is given. The originals are replaced already."""
    rows = Release.objects.filter(site_id=current_site_id(), schedule_id=schedule_id)
    number = rows.aggregate(last=Max("number"))["last"] or 0
    ids = [str(uuid7()) for _ in parts]
    moved = [place for place, part in enumerate(parts) if part.status != ReleaseStatus.LOCKED]
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_PARTS,
            {
                "site": current_site_id(),
                "unlock_at": unlock_at,
                "ids": ids,
                "originals": [str(part.original_id) for part in parts],
                "numbers": list(range(number + 1, number + 1 + len(parts))),
                "amounts": [str(part.amount_base_units) for part in parts],
            },
        )
        # A release is born locked, whatever it becomes in the same transaction.
        cursor.execute(
            _FOLLOW,
            {
                "site": current_site_id(),
                "ids": [ids[place] for place in moved],
                "states": [str(parts[place].status) for place in moved],
                "froms": [parts[place].frozen_from for place in moved],
            },
        )
        if cursor.rowcount != len(moved):
            raise RowsDisagree(f"{cursor.rowcount} of {len(moved)} parts took their state")
