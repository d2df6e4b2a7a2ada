"""The lock that everything which changes an allocation's tokens takes first (docs/locking.md)."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _

from apps.core.problems import Problem
from apps.sites.scope import require_scope
from apps.vesting.models import Allocation


def allocation_locked(allocation_id: UUID) -> Allocation:
    """STEP: the allocation of the open scope's site, locked until its end. Raises Problem 404 not_found."""
    # no_key: rows that refer to it, the parts of a split among them, are inserted meanwhile.
    rows = Allocation.objects.select_for_update(no_key=True).filter(site_id=require_scope(), id=allocation_id)
    allocation = rows.first()
    if allocation is None:
        raise Problem("not_found", 404, _("There is no such allocation."))
    return allocation
