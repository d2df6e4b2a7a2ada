"""What a transfer's truth at the provider means for a payout, and writing it while the lease is ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Case, F, When
from django.db.models.functions import Now

from apps.payouts.custody.base import TransferPhase, TransferTruth
from apps.payouts.leases import Leased
from apps.payouts.models import AttemptStatus, Payout, PayoutAttempt, PayoutStatus
from apps.payouts.outcomes import Outcome, OutcomeKind, announce
from apps.payouts.resolution_steps import Finished, resolutions_follow
from apps.sites.scope import current_site_id, site_scope

STALE = "stale"
_FINAL = {
    PayoutStatus.PAID: (AttemptStatus.SUCCEEDED, OutcomeKind.PAID),
    PayoutStatus.FAILED: (AttemptStatus.FAILED, OutcomeKind.FAILED),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state that a payout is to have; ``hold_code`` for held, ``tx_hash`` for paid."""

    status: PayoutStatus
    hold_code: str = ""
    tx_hash: str = ""


class AttemptMissing(RuntimeError):
    """A payout in work has no open attempt; nothing may be written about it."""


def verdict_of(leased: Leased, truth: TransferTruth) -> Verdict:
    """Compare the truth with what was approved. Only an equal and completed transfer pays a payout."""
    if difference := _difference(leased, truth):
        return Verdict(PayoutStatus.HELD, hold_code=difference)
    match truth.phase:
        case TransferPhase.COMPLETED if truth.tx_hash:
            return Verdict(PayoutStatus.PAID, tx_hash=truth.tx_hash)
        case TransferPhase.COMPLETED:
            return Verdict(PayoutStatus.HELD, hold_code="hash_missing")
        case TransferPhase.FAILED_NOTHING_MOVED:
            return Verdict(PayoutStatus.FAILED)
        case TransferPhase.NEEDS_PERSON:
            return Verdict(PayoutStatus.HELD, hold_code="provider_needs_person")
        case TransferPhase.IN_FLIGHT:
            return Verdict(PayoutStatus.SUBMITTED)


def _difference(leased: Leased, truth: TransferTruth) -> str:
    """The hold code of the first thing that differs. What was not told differs once it is completed."""
    told = [
        ("asset_differs", truth.asset_id, leased.custody_asset_id),
        ("amount_differs", truth.amount_base_units, leased.amount_base_units),
        ("address_differs", (truth.to_address or "").lower() or None, leased.to_address.lower()),
    ]
    must_tell = truth.phase is TransferPhase.COMPLETED
    for code, actual, expected in told:
        if actual != expected and (actual is not None or must_tell):
            return code
    return ""


def settle(leased: Leased, truth: TransferTruth, *, finished: Finished | None = None) -> str:
    """ENTRY: write what the provider says. Returns the payout's state, or "stale" when the lease was lost."""
    verdict = verdict_of(leased, truth)
    wait_s = leased.backoff_s() if verdict.status is PayoutStatus.SUBMITTED else None
    return write(leased, verdict, wait_s=wait_s, finished=finished, **seen(truth))


def seen(truth: TransferTruth) -> dict[str, Any]:
    """The attempt's columns that say what was seen at the provider."""
    return {
        "provider_transfer_id": truth.provider_transfer_id,
        "raw_status": truth.raw_status[:64],
        "sub_status": truth.sub_status[:120],
        "tx_hash": (truth.tx_hash or "")[:80],
    }


def write(
    leased: Leased,
    verdict: Verdict,
    *,
    wait_s: float | None,
    finished: Finished | None = None,
    unless_rung: bool = False,
    **attempt: Any,
) -> str:
    """ENTRY: the outcome of one piece of work, and the end of its lease, in one transaction.

    ``wait_s`` is when to look again, None when nobody need; ``finished`` is what two people had decided. Nothing
    changes when the payout has left the state or the lease that it was claimed in, nor, with ``unless_rung``, when
    an event came during the lease. Returns as settle.
    """
    with site_scope():
        if not _payout_write(leased, verdict, wait_s, unless_rung):
            return STALE
        if leased.status == PayoutStatus.HELD:
            goes_on_as = None if verdict.status is PayoutStatus.HELD else verdict.status.value
            resolutions_follow(leased.payout_id, goes_on_as=goes_on_as, finished=finished)
        _attempt_write(leased, verdict, attempt)
        kind = _outcome_kind(leased, verdict)
        if kind is not None:
            announce([leased.payout_id], Outcome(kind, verdict.tx_hash))
    return verdict.status.value


def _payout_write(leased: Leased, verdict: Verdict, wait_s: float | None, unless_rung: bool) -> bool:
    changes: dict[str, Any] = {"status": verdict.status, "lease_token": None, "lease_until": None}
    changes["next_attempt_at"] = None if verdict.status in _FINAL else _next_look(wait_s)
    if verdict.status in (PayoutStatus.HELD, PayoutStatus.SUBMITTED):
        changes["hold_code"] = verdict.hold_code
    if verdict.status in _FINAL:
        changes |= {"settled_at": Now(), "tx_hash": verdict.tx_hash}
    rows = Payout.objects.filter(
        site_id=current_site_id(), id=leased.payout_id, status=leased.status, lease_token=leased.token
    )
    if unless_rung:
        rows = rows.filter(next_attempt_at__gte=F("lease_until"))
    return rows.update(**changes) == 1


def _next_look(wait_s: float | None) -> Case:
    # Somebody rang during the lease (an event came): the answer just written may be older than that event.
    later = None if wait_s is None else Now() + timedelta(seconds=wait_s)
    return Case(When(next_attempt_at__lt=F("lease_until"), then=Now()), default=later)


def _attempt_write(leased: Leased, verdict: Verdict, changes: dict[str, Any]) -> None:
    if verdict.status in _FINAL:
        changes = {**changes, "status": _FINAL[verdict.status][0], "finished_at": Now()}
    if not changes:
        return
    rows = PayoutAttempt.objects.filter(
        site_id=current_site_id(), id=leased.attempt_id, status=AttemptStatus.OPEN
    )
    if rows.update(**changes) != 1:
        raise AttemptMissing(f"payout {leased.payout_id} has no open attempt {leased.attempt_id}")


def _outcome_kind(leased: Leased, verdict: Verdict) -> OutcomeKind | None:
    if verdict.status in _FINAL:
        return _FINAL[verdict.status][1]
    was_held, is_held = leased.status == PayoutStatus.HELD, verdict.status is PayoutStatus.HELD
    if is_held and not was_held:
        return OutcomeKind.HELD
    return OutcomeKind.RESUMED if was_held and not is_held else None
