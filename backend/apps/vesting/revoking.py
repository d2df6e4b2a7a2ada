"""Revoking by staff: what is not vested by one person's word, now or at a later time; all, for cause, by two people's.

Revoked tokens are owed to nobody (docs/decisions/0011). Amounts are never split here: a release is vested on its date
or it is not. What a worker has begun to send is left to end: when it comes back it is taken then.

Locks (docs/locking.md): the revocation, then the allocation, then payouts that are cancelled, then releases.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.core.problems import Problem
from apps.payouts.batches import RowsDisagree, payouts_cancel_unsent
from apps.sites.scope import current_site_id, site_scope
from apps.vesting.allocation_lock import allocation_locked
from apps.vesting.models import REVOCABLE, Allocation, Release, ReleaseStatus
from apps.vesting.revoking_models import OPEN_REVOCATIONS, Revocation, RevocationScope, RevocationState

IN_FLIGHT = (ReleaseStatus.PROCESSING, ReleaseStatus.HELD)
# While tokens are on their way out: how long until it is looked whether they came back.
LOOK_AGAIN = timedelta(seconds=30)


def revocation_ask(
    *,
    allocation_id: UUID,
    scope: str,
    reason: str,
    asked_by_id: UUID,
    effective_at: datetime | None = None,
    revocation_id: UUID | None = None,
) -> Revocation:
    """ENTRY: revoke what is not vested at ``effective_at`` (aware UTC; None: now, and at once), or ask for all.

    All waits for another person. Raises Problem 404 not_found, 409 revocation_open, 409 nothing_to_revoke,
    400 effective_in_past.
    """
    with site_scope() as site_id:
        allocation_locked(allocation_id)
        rows = Revocation.objects.filter(site_id=site_id)
        if rows.filter(allocation_id=allocation_id, state__in=OPEN_REVOCATIONS).exists():
            raise Problem(
                "revocation_open",
                409,
                _("A revocation of this allocation is under way. Decline or stop that one first."),
            )
        made = Revocation(
            allocation_id=allocation_id,
            scope=RevocationScope(scope),
            state=RevocationState.ASKED,
            reason=reason,
            asked_by_id=asked_by_id,
        )
        made.id = revocation_id or made.id
        if effective_at is not None:
            _refuse_past(allocation_id, effective_at)
            made.effective_at = effective_at
        made.save(force_insert=True)
        made.refresh_from_db()  # its times are PostgreSQL's
        if not _in_scope(made).filter(status__in=[*REVOCABLE, *IN_FLIGHT]).exists():
            raise Problem("nothing_to_revoke", 409, _("Nothing of this allocation would be revoked."))
        if made.scope == RevocationScope.ALL:
            return made
        _step(made, RevocationState.SCHEDULED, due_at=made.effective_at)
        return _carry_out_if_due(made)


def revocation_approve(*, revocation_id: UUID, decided_by_id: UUID, note: str) -> Revocation:
    """ENTRY: agree as another person; done at once when its time has come.

    Raises Problem 404 not_found, 409 revocation_decided, 403 second_person_needed.
    """
    with site_scope():
        revocation = _locked(revocation_id, RevocationState.ASKED)
        # A CHECK stands behind this; here it only gets a readable answer.
        if decided_by_id == revocation.asked_by_id:
            raise Problem("second_person_needed", 403, _("Another person has to approve what you requested."))
        _step(
            revocation,
            RevocationState.SCHEDULED,
            due_at=revocation.effective_at,
            **_decision(decided_by_id, note),
        )
        allocation_locked(revocation.allocation_id)
        return _carry_out_if_due(revocation)


def revocation_decline(*, revocation_id: UUID, decided_by_id: UUID, note: str) -> Revocation:
    """ENTRY: do not do what waits for a second person; who asked may take it back so.

    Raises Problem 404 not_found, 409 revocation_decided.
    """
    with site_scope():
        revocation = _locked(revocation_id, RevocationState.ASKED)
        _step(revocation, RevocationState.DECLINED, finished_at=Now(), **_decision(decided_by_id, note))
        return revocation


def revocation_stop(*, revocation_id: UUID, stopped_by_id: UUID, note: str) -> Revocation:
    """ENTRY: stop a scheduled revocation whose time has not come.

    Raises Problem 404 not_found, 409 revocation_decided.
    """
    with site_scope() as site_id:
        revocation = _locked(revocation_id, RevocationState.SCHEDULED)
        ahead = Revocation.objects.filter(site_id=site_id, id=revocation_id, effective_at__gt=Now())
        if not ahead.exists():
            raise _decided()
        stop = {"stopped_by_id": stopped_by_id, "stop_reason": note, "finished_at": Now()}
        return _step(revocation, RevocationState.STOPPED, due_at=None, **stop)


def revocations_do_due(limit: int) -> int:
    """ENTRY, once for each: carry out due revocations of the bound site; how many were looked at."""
    done = 0
    while done < limit and revocation_do_next():
        done += 1
    return done


def revocation_do_next() -> bool:
    """ENTRY: carry out the revocation that is due longest, if nobody else is at it; whether there was one."""
    with site_scope() as site_id:
        due = Revocation.objects.filter(site_id=site_id, due_at__isnull=False, due_at__lte=Now())
        rows = due.select_for_update(skip_locked=True, of=("self",))
        revocation = rows.order_by("due_at", "id").first()
        if revocation is None:
            return False
        allocation_locked(revocation.allocation_id)
        _carry_out(revocation)
        return True


def _carry_out_if_due(revocation: Revocation) -> Revocation:
    rows = Revocation.objects.filter(site_id=current_site_id(), id=revocation.id, effective_at__lte=Now())
    return _carry_out(revocation) if rows.exists() else revocation


def _carry_out(revocation: Revocation) -> Revocation:
    """STEP: take what is in scope and ours; what is being sent is looked at again until it has ended."""
    in_scope = _in_scope(revocation)
    carried = in_scope.filter(status=ReleaseStatus.PROCESSING).order_by("payout_id")
    if payout_ids := list(carried.values_list("payout_id", flat=True).distinct()):
        payouts_cancel_unsent(payout_ids=payout_ids)
    ours = in_scope.filter(status__in=REVOCABLE)
    ids = list(ours.select_for_update(of=("self",)).order_by("unlock_at", "id").values_list("id", flat=True))
    taken = ours.filter(id__in=ids).update(
        status=ReleaseStatus.REVOKED, frozen_from="", revocation_id=revocation.id
    )
    if taken != len(ids):
        raise RowsDisagree(f"{taken} of {len(ids)} locked releases were revoked")
    # Asked after the lock: a batch that took releases while we waited for them has them on their way now.
    if in_scope.filter(status__in=IN_FLIGHT).exists():
        return _step(revocation, RevocationState.SCHEDULED, due_at=Now() + LOOK_AGAIN)
    return _step(revocation, RevocationState.DONE, due_at=None, finished_at=Now())


def _in_scope(revocation: Revocation) -> QuerySet[Release]:
    rows = Release.objects.filter(site_id=current_site_id(), allocation_id=revocation.allocation_id)
    if revocation.scope == RevocationScope.ALL:
        return rows
    # By date and not by state: a late unlock must not take what is vested, nor an early look leave what is not.
    return rows.filter(unlock_at__gt=revocation.effective_at)


def _refuse_past(allocation_id: UUID, effective_at: datetime) -> None:
    # By the clock that the CHECK goes by: ours may be ahead or behind.
    row = Allocation.objects.filter(site_id=current_site_id(), id=allocation_id)
    if row.annotate(now=Now()).filter(now__gt=effective_at).exists():
        raise Problem(
            "effective_in_past",
            400,
            _("A revocation takes effect now or later: leave effective_at out for now."),
        )


def _locked(revocation_id: UUID, expected: RevocationState) -> Revocation:
    rows = Revocation.objects.select_for_update(of=("self",)).filter(site_id=current_site_id())
    revocation = rows.filter(id=revocation_id).first()
    if revocation is None:
        raise Problem("not_found", 404, _("There is no such revocation."))
    if revocation.state != expected:
        raise _decided()
    return revocation


def _decided() -> Problem:
    return Problem("revocation_decided", 409, _("This revocation is decided, stopped or under way already."))


def _decision(decided_by_id: UUID, note: str) -> dict[str, object]:
    return {"decided_by_id": decided_by_id, "decided_at": Now(), "decision_note": note}


def _step(revocation: Revocation, state: RevocationState, **fields: object) -> Revocation:
    rows = Revocation.objects.filter(site_id=current_site_id(), id=revocation.id, state=revocation.state)
    if rows.update(state=state, **fields) != 1:
        raise RowsDisagree(f"revocation {revocation.id} is no longer {revocation.state}")
    revocation.refresh_from_db()
    return revocation
