"""Recording events that tokens wait for: one person asks with evidence, another agrees, and they vest at that moment.

They vest when the record is made and not when the event was: a revocation that came between has its effect, and no
statement of an instant in the past changes. Locks (docs/locking.md): the milestone, then the allocation, then releases.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import DateTimeField, Func, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.core.problems import Problem
from apps.payouts.batches import RowsDisagree
from apps.sites.scope import current_site_id, site_scope
from apps.vesting.allocation_lock import allocation_locked
from apps.vesting.milestone_models import Milestone, MilestoneState
from apps.vesting.models import REVOCABLE, Allocation, Release, ReleaseStatus
from apps.vesting.schedule import NEVER
from apps.vesting.splitting import SplitPart, parts_insert


def milestone_ask(
    *,
    allocation_id: UUID,
    code: str,
    evidence: str,
    happened_at: datetime,
    asked_by_id: UUID,
    milestone_id: UUID | None = None,
) -> Milestone:
    """ENTRY: say that an event has happened (aware UTC); another person has to agree before anything vests.

    Raises Problem 404 not_found, 409 milestone_open, 409 nothing_waits, 400 happened_in_future.
    """
    with site_scope() as site_id:
        allocation_locked(allocation_id)
        if not _waiting(allocation_id, code).exists():
            raise Problem("nothing_waits", 409, _("Nothing of this allocation waits for this milestone."))
        rows = Milestone.objects.filter(site_id=site_id, allocation_id=allocation_id, code=code)
        if rows.filter(state=MilestoneState.ASKED).exists():
            raise Problem("milestone_open", 409, _("This milestone waits for a second person already."))
        # By the clock that the CHECK goes by: ours may be ahead.
        clock = Allocation.objects.filter(site_id=site_id, id=allocation_id).annotate(now=Now())
        if clock.filter(now__lt=happened_at).exists():
            raise Problem(
                "happened_in_future", 400, _("A milestone is recorded when it has happened, not before.")
            )
        made = Milestone(
            allocation_id=allocation_id,
            code=code,
            evidence=evidence,
            happened_at=happened_at,
            asked_by_id=asked_by_id,
        )
        made.id = milestone_id or made.id
        made.save(force_insert=True)
        made.refresh_from_db()  # its time is PostgreSQL's
        return made


def milestone_approve(*, milestone_id: UUID, decided_by_id: UUID, note: str) -> Milestone:
    """ENTRY: agree as another person; what waits for it vests now, or when a pause or dispute ends.

    Raises Problem 404 not_found, 409 milestone_decided, 403 second_person_needed, 409 nothing_waits.
    """
    with site_scope():
        milestone = _locked_asked(milestone_id)
        # A CHECK stands behind this; here it only gets a readable answer.
        if decided_by_id == milestone.asked_by_id:
            raise Problem("second_person_needed", 403, _("Another person has to approve what you requested."))
        allocation_locked(milestone.allocation_id)
        waiting = _waiting(milestone.allocation_id, milestone.code)
        releases = list(waiting.select_for_update(of=("self",)).order_by("unlock_at", "id"))
        if not releases:
            raise Problem("nothing_waits", 409, _("Nothing of this allocation waits for this milestone."))
        _decide(milestone, MilestoneState.RECORDED, decided_by_id, note)
        _reach(releases, milestone)
        return milestone


def milestone_decline(*, milestone_id: UUID, decided_by_id: UUID, note: str) -> Milestone:
    """ENTRY: do not record it; it can be asked for again. Who asked may take it back so.

    Raises Problem 404 not_found, 409 milestone_decided.
    """
    with site_scope():
        milestone = _locked_asked(milestone_id)
        _decide(milestone, MilestoneState.DECLINED, decided_by_id, note)
        return milestone


def _reach(releases: list[Release], milestone: Milestone) -> None:
    ids = [release.id for release in releases]
    parts = [SplitPart(r.id, r.amount_base_units, r.status, r.frozen_from) for r in releases]
    rows = Release.objects.filter(site_id=current_site_id(), id__in=ids, status__in=REVOCABLE)
    if rows.update(status=ReleaseStatus.REPLACED, frozen_from="") != len(ids):
        raise RowsDisagree(f"not all of {len(ids)} locked releases were replaced")
    parts_insert(parts, schedule_id=releases[0].schedule_id, unlock_at=milestone.decided_at)


def _waiting(allocation_id: UUID, code: str) -> QuerySet[Release]:
    rows = Release.objects.filter(site_id=current_site_id(), allocation_id=allocation_id, milestone=code)
    return rows.filter(unlock_at=NEVER, status__in=REVOCABLE)


def _locked_asked(milestone_id: UUID) -> Milestone:
    rows = Milestone.objects.select_for_update(of=("self",)).filter(site_id=current_site_id())
    milestone = rows.filter(id=milestone_id).first()
    if milestone is None:
        raise Problem("not_found", 404, _("There is no such milestone."))
    if milestone.state != MilestoneState.ASKED:
        raise Problem("milestone_decided", 409, _("This is decided already."))
    return milestone


def _decide(milestone: Milestone, state: MilestoneState, decided_by_id: UUID, note: str) -> None:
    rows = Milestone.objects.filter(site_id=current_site_id(), id=milestone.id, state=MilestoneState.ASKED)
    # The clock and not now(): the transaction may have waited for the allocation while it was revoked.
    clock = Func(function="clock_timestamp", output_field=DateTimeField())
    if rows.update(state=state, decided_by_id=decided_by_id, decided_at=clock, decision_note=note) != 1:
        raise RowsDisagree(f"milestone {milestone.id} is decided already")
    milestone.refresh_from_db()
