"""Standing still and going on: a dispute's freeze, and a pause by staff. One does not end the other.

Dates do not move: what fell due meanwhile is unlocked when the allocation goes on. Locks (docs/locking.md): the
allocation, then payouts that are cancelled, then releases; those on their way out too, so that what comes back
meanwhile is either frozen here or finds the freeze.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Case, F, Q, Sum, Value, When
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext as _

from apps.core.problems import Problem
from apps.payouts.batches import RowsDisagree, payouts_cancel_unsent
from apps.payouts.models import PayoutStatus
from apps.sites.scope import current_site_id, require_scope, site_scope
from apps.vesting.allocation_lock import allocation_locked
from apps.vesting.freeze_models import Freeze, FreezeCause
from apps.vesting.models import Release, ReleaseStatus

_STANDING = (ReleaseStatus.LOCKED, ReleaseStatus.UNLOCKED)
_IN_FLIGHT = (ReleaseStatus.PROCESSING, ReleaseStatus.HELD)
_UNSENT = (PayoutStatus.AWAITING_APPROVAL, PayoutStatus.READY)
_TRIES = 10


class _Slipped(Exception):
    """A batch took releases while we waited for them."""


def allocation_pause(
    *, allocation_id: UUID, reason: str, by_member_id: UUID, freeze_id: UUID | None = None
) -> Freeze:
    """ENTRY: nothing of it unlocks or is paid out until it is resumed; what is being sent is left to end.

    Raises Problem 404 not_found, 409 already_paused, 409 nothing_to_pause.
    """
    with site_scope():
        allocation_locked(allocation_id)
        if _open(allocation_id, FreezeCause.PAUSE) is not None:
            raise Problem("already_paused", 409, _("This allocation is paused already."))
        live = Release.objects.filter(site_id=current_site_id(), allocation_id=allocation_id)
        if not live.filter(status__in=[*_STANDING, *_IN_FLIGHT, ReleaseStatus.FROZEN]).exists():
            raise Problem("nothing_to_pause", 409, _("Nothing of this allocation is still to come."))
        made = Freeze(
            allocation_id=allocation_id, cause=FreezeCause.PAUSE, reason=reason, begun_by_id=by_member_id
        )
        made.id = freeze_id or made.id
        made.save(force_insert=True)
        _freeze(allocation_id)
        made.refresh_from_db()
        return made


def allocation_resume(*, allocation_id: UUID, reason: str, by_member_id: UUID) -> Freeze:
    """ENTRY: end the pause; while a dispute is open the allocation goes on standing still.

    Raises Problem 404 not_found, 409 not_paused.
    """
    with site_scope():
        allocation_locked(allocation_id)
        pause = _open(allocation_id, FreezeCause.PAUSE)
        if pause is None:
            raise Problem("not_paused", 409, _("This allocation is not paused."))
        _end(pause, ended_by_id=by_member_id, end_reason=reason)
        _thaw(allocation_id)
        pause.refresh_from_db()
        return pause


def allocation_freeze(*, allocation_id: UUID) -> int:
    """STEP: a dispute freezes what is not released, unsent payouts included; base units still on their way out.

    A transfer that fails comes back frozen. Again for the same dispute it changes nothing.
    """
    allocation_locked(allocation_id)
    if _open(allocation_id, FreezeCause.DISPUTE) is None:
        Freeze.objects.create(allocation_id=allocation_id, cause=FreezeCause.DISPUTE)
    _freeze(allocation_id)
    flying = Release.objects.filter(
        site_id=current_site_id(), allocation_id=allocation_id, status__in=_IN_FLIGHT
    )
    return int(flying.aggregate(total=Sum("amount_base_units"))["total"] or 0)


def allocation_thaw(*, allocation_id: UUID) -> None:
    """STEP: the dispute is over: what was frozen goes on as if nothing had been, unless staff paused it."""
    allocation_locked(allocation_id)
    dispute = _open(allocation_id, FreezeCause.DISPUTE)
    if dispute is not None:
        _end(dispute)
    _thaw(allocation_id)


def freeze_what_came_back(release_ids: Sequence[UUID]) -> None:
    """STEP: those of these locked, unlocked releases whose allocation stands still are frozen at once."""
    site_id = require_scope()
    stopped = Freeze.objects.filter(site_id=site_id, ended_at__isnull=True).values("allocation_id")
    back = Release.objects.filter(site_id=site_id, id__in=release_ids, status=ReleaseStatus.UNLOCKED)
    back.filter(allocation_id__in=stopped).update(frozen_from=F("status"), status=ReleaseStatus.FROZEN)


def _freeze(allocation_id: UUID) -> None:
    for _each in range(_TRIES):
        try:
            # A savepoint: the locks on releases go with it, so that payouts are never asked for while holding them.
            with transaction.atomic():
                _freeze_once(allocation_id)
                return
        except _Slipped:
            continue
    raise RowsDisagree(f"batches take releases of allocation {allocation_id} faster than it can be frozen")


def _freeze_once(allocation_id: UUID) -> None:
    rows = Release.objects.filter(site_id=current_site_id(), allocation_id=allocation_id)
    unsent = rows.filter(status=ReleaseStatus.PROCESSING, payout__status__in=_UNSENT)
    if payout_ids := list(unsent.order_by("payout_id").values_list("payout_id", flat=True).distinct()):
        payouts_cancel_unsent(payout_ids=payout_ids)
    live = rows.filter(status__in=[*_STANDING, *_IN_FLIGHT, ReleaseStatus.FROZEN])
    len(live.select_for_update(of=("self",)).order_by("unlock_at", "id").values_list("id"))
    if unsent.exists():
        raise _Slipped
    rows.filter(status__in=_STANDING).update(frozen_from=F("status"), status=ReleaseStatus.FROZEN)


def _thaw(allocation_id: UUID) -> None:
    site_id = current_site_id()
    rows = Release.objects.filter(site_id=site_id, allocation_id=allocation_id, status=ReleaseStatus.FROZEN)
    len(rows.select_for_update(of=("self",)).order_by("unlock_at", "id").values_list("id"))
    if Freeze.objects.filter(site_id=site_id, allocation_id=allocation_id, ended_at__isnull=True).exists():
        return
    is_due = Q(unlock_at__lte=Now())
    rows.update(
        status=Case(When(is_due, then=Value("unlocked")), default=Value("locked")),
        unlocked_at=Case(When(is_due, then=Coalesce(F("unlocked_at"), Now())), default=None),
        frozen_from="",
    )


def _open(allocation_id: UUID, cause: FreezeCause) -> Freeze | None:
    rows = Freeze.objects.filter(site_id=current_site_id(), allocation_id=allocation_id, cause=cause)
    return rows.filter(ended_at__isnull=True).first()


def _end(freeze: Freeze, **fields: object) -> None:
    rows = Freeze.objects.filter(site_id=current_site_id(), id=freeze.id, ended_at__isnull=True)
    if rows.update(ended_at=Now(), **fields) != 1:
        raise RowsDisagree(f"freeze {freeze.id} has ended already")
