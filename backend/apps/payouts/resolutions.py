"""Deciding about held payouts: one person asks for an action, another approves it, and only then it is done.

Locks: the payout, then its resolution, its attempt, and what the outcome handler locks (docs/locking.md).
"""

from __future__ import annotations

from uuid import UUID

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.core.doorbells import ring
from apps.core.problems import Problem
from apps.payouts.batches import SWEEPER, RowsDisagree
from apps.payouts.evm_models import EvmTransaction
from apps.payouts.models import AttemptStatus, Payout, PayoutAttempt, PayoutStatus
from apps.payouts.outcomes import Outcome, OutcomeKind, announce
from apps.payouts.resolution_models import OPEN_STATES, PayoutResolution, ResolutionAction, ResolutionState
from apps.sites.scope import current_site_id, site_scope


def resolution_ask(
    *,
    payout_id: UUID,
    action: str,
    note: str,
    asked_by_id: UUID,
    tx_hash: str = "",
    resolution_id: UUID | None = None,
) -> PayoutResolution:
    """ENTRY: ask for an action on a held payout; nothing happens before another person approves it.

    ``tx_hash`` is the evidence of ``settle``, and of no other action. Raises Problem 404 not_found,
    409 payout_not_held, 409 resolution_open, 409 evidence_used, 400 evidence_missing.
    """
    action, tx_hash = ResolutionAction(action), tx_hash.strip().lower()
    if (action is ResolutionAction.SETTLE) != bool(tx_hash):
        raise Problem(
            "evidence_missing", 400, _("Name the transaction hash to settle a payout, and for nothing else.")
        )
    with site_scope() as site_id:
        payout = _locked_held(payout_id)
        rows = PayoutResolution.objects.filter(site_id=site_id)
        if rows.filter(payout_id=payout.id, state__in=OPEN_STATES).exists():
            raise Problem(
                "resolution_open", 409, _("Somebody has asked for an action on this payout already.")
            )
        if tx_hash and rows.filter(tx_hash=tx_hash, state__in=["asked", "done"]).exists():
            raise Problem("evidence_used", 409, _("This transaction is the evidence for another payout."))
        _refuse_anothers(tx_hash, payout.id)
        made = PayoutResolution(
            payout_id=payout.id,
            action=action,
            hold_code=payout.hold_code,
            note=note,
            tx_hash=tx_hash,
            asked_by_id=asked_by_id,
        )
        made.id = resolution_id or made.id
        made.save(force_insert=True)
        return made


def resolution_approve(*, resolution_id: UUID, decided_by_id: UUID, note: str) -> PayoutResolution:
    """ENTRY: agree as another person. Evidence settles at once; a worker asks the provider for the other two.

    Raises Problem 404 not_found, 409 resolution_decided, 409 payout_not_held, 409 hold_changed (held for another
    reason than the asker saw), 403 second_person_needed, 409 evidence_used.
    """
    with site_scope():
        payout, resolution = _locked_pair(resolution_id)
        # A CHECK stands behind this; here it only gets a readable answer.
        if decided_by_id == resolution.asked_by_id:
            raise Problem("second_person_needed", 403, _("Another person has to approve what you requested."))
        if payout.hold_code != resolution.hold_code:
            raise Problem(
                "hold_changed",
                409,
                _("The payout is held for another reason by now. Decline this, look again and ask anew."),
            )
        if resolution.action == ResolutionAction.SETTLE:
            _refuse_anothers(resolution.tx_hash, payout.id)
            _decide(resolution, ResolutionState.DONE, decided_by_id, note, result=PayoutStatus.PAID)
            _pay(payout, resolution.tx_hash)
        else:
            _decide(resolution, ResolutionState.APPROVED, decided_by_id, note)
            Payout.objects.filter(site_id=current_site_id(), id=payout.id).update(next_attempt_at=Now())
            ring(SWEEPER)
        return resolution


def resolution_decline(*, resolution_id: UUID, decided_by_id: UUID, note: str) -> PayoutResolution:
    """ENTRY: do not do it; the payout stays held. Who asked may take it back so.

    Raises Problem 404 not_found, 409 resolution_decided, 409 payout_not_held.
    """
    with site_scope():
        _payout, resolution = _locked_pair(resolution_id)
        _decide(resolution, ResolutionState.DECLINED, decided_by_id, note)
        return resolution


def _refuse_anothers(tx_hash: str, payout_id: UUID) -> None:
    """STEP: before EvidenceIsItsOwn, for a readable answer."""
    same = {"site_id": current_site_id(), "tx_hash": tx_hash}
    if tx_hash and (
        Payout.objects.filter(**same).exclude(id=payout_id).exists()
        or PayoutAttempt.objects.filter(**same).exclude(payout_id=payout_id).exists()
        or EvmTransaction.objects.filter(**same).exclude(transfer__attempt__payout_id=payout_id).exists()
    ):
        raise Problem("evidence_used", 409, _("This transaction is another payout's."))


def _locked_held(payout_id: UUID) -> Payout:
    rows = Payout.objects.select_for_update().filter(site_id=current_site_id(), id=payout_id)
    payout = rows.first()
    if payout is None:
        raise Problem("not_found", 404, _("There is no such payout."))
    if payout.status != PayoutStatus.HELD:
        raise Problem(
            "payout_not_held", 409, _("This payout is not held: there is nothing to decide about it.")
        )
    return payout


def _locked_pair(resolution_id: UUID) -> tuple[Payout, PayoutResolution]:
    """The held payout and the resolution that waits for a decision, locked in that order."""
    rows = PayoutResolution.objects.filter(site_id=current_site_id(), id=resolution_id)
    payout_id = rows.values_list("payout_id", flat=True).first()
    if payout_id is None:
        raise Problem("not_found", 404, _("There is no such resolution."))
    payouts = Payout.objects.select_for_update().filter(site_id=current_site_id(), id=payout_id)
    payout, resolution = payouts.get(), rows.select_for_update().get()
    # Read after the payout's lock: whoever settled it meanwhile has ended the resolution with it.
    if resolution.state == ResolutionState.OVERTAKEN:
        raise Problem("payout_not_held", 409, _("The payout went on meanwhile. Look at it again."))
    if resolution.state != ResolutionState.ASKED:
        raise Problem("resolution_decided", 409, _("This is decided already."))
    return payout, resolution


def _decide(
    resolution: PayoutResolution, state: ResolutionState, decided_by_id: UUID, note: str, *, result: str = ""
) -> None:
    rows = PayoutResolution.objects.filter(
        site_id=current_site_id(), id=resolution.id, state=ResolutionState.ASKED
    )
    changed = rows.update(
        state=state, decided_by_id=decided_by_id, decided_at=Now(), decision_note=note, result=result
    )
    _expect_one(changed, "resolution", resolution.id)
    resolution.refresh_from_db()


def _pay(payout: Payout, tx_hash: str) -> None:
    """STEP: by evidence. A worker who holds it meanwhile writes nothing: its lease is gone."""
    site_id = current_site_id()
    changed = Payout.objects.filter(site_id=site_id, id=payout.id, status=PayoutStatus.HELD).update(
        status=PayoutStatus.PAID,
        tx_hash=tx_hash,
        settled_at=Now(),
        next_attempt_at=None,
        lease_token=None,
        lease_until=None,
    )
    _expect_one(changed, "payout", payout.id)
    attempts = PayoutAttempt.objects.filter(site_id=site_id, payout_id=payout.id, status=AttemptStatus.OPEN)
    _expect_one(attempts.update(status=AttemptStatus.SUCCEEDED, finished_at=Now()), "attempt of", payout.id)
    announce([payout.id], Outcome(OutcomeKind.PAID, tx_hash))


def _expect_one(changed: int, what: str, row_id: UUID) -> None:
    if changed != 1:
        raise RowsDisagree(f"{changed} rows changed where {what} {row_id} was locked")
