"""What was decided about a held payout, followed by whoever works on it, in the transaction of that work."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from apps.payouts.resolution_models import OPEN_STATES, PayoutResolution, ResolutionAction, ResolutionState
from apps.sites.scope import current_site_id, site_scope


@dataclass(frozen=True, slots=True)
class Approved:
    """A resolution that two people want carried out."""

    id: UUID
    action: ResolutionAction


@dataclass(frozen=True, slots=True)
class Finished:
    """How an approved resolution ended."""

    id: UUID
    state: ResolutionState
    result: str


def resolution_approved(payout_id: UUID) -> Approved | None:
    """ENTRY: what a worker has to carry out on this payout."""
    with site_scope() as site_id:
        rows = PayoutResolution.objects.filter(
            site_id=site_id, payout_id=payout_id, state=ResolutionState.APPROVED
        )
        found = rows.values_list("id", "action").first()
    return Approved(found[0], ResolutionAction(found[1])) if found else None


def resolutions_follow(payout_id: UUID, *, goes_on_as: str | None, finished: Finished | None) -> None:
    """STEP: end ``finished``; and when the payout is held no longer, whatever else was asked about it.

    ``goes_on_as`` is the payout's new state, None while it stays held. The payout's row is locked.
    """
    rows = PayoutResolution.objects.filter(
        site_id=current_site_id(), payout_id=payout_id, state__in=OPEN_STATES
    )
    if finished is not None:
        rows.filter(id=finished.id).update(state=finished.state, result=finished.result[:64])
    if goes_on_as is not None:
        rows.update(state=ResolutionState.OVERTAKEN, result=goes_on_as)
