"""Bringing payouts to the custody provider, and asking what became of them.

The order is the promise: the attempt is committed, then each send is counted and committed, then custody is
called, then the outcome is committed. Whoever finds a counted send asks by its external id before anything else,
and sends again only under that same id, which the provider accepts once.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import Any
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.db.models.functions import Now

from apps.core.doorbells import ring
from apps.core.remote import RemoteError, RemoteRejected
from apps.payouts.batches import SWEEPER, plan_holds
from apps.payouts.clearance import PATIENCE_S
from apps.payouts.custody.base import (
    AlreadySubmitted,
    Custody,
    TransferRequest,
    TransferTruth,
)
from apps.payouts.custody.choice import custodies_in_use, custody_in_use, providers_closed
from apps.payouts.external_ids import external_id_parse
from apps.payouts.fence import fence_closed_from
from apps.payouts.leases import ASKABLE, LEASE_S, Leased, lease_due, lease_one, send_counted
from apps.payouts.models import Payout, PayoutAttempt, PayoutStatus
from apps.payouts.resolution_steps import Approved, resolution_approved
from apps.payouts.resolution_work import resolution_carry_out
from apps.payouts.settlement import STALE, Verdict, settle, write
from apps.sites.scope import site_scope

logger = logging.getLogger("posx.payouts")

# One piece of work calls custody at most twice, 11 s each; with it the task stays below its soft limit of 40 s.
START_BUDGET_S = 12.0
CALLS_A_PAYOUT = 2
REJECTED_MARK = "rejected:"
NOT_IN_WORK = "not_in_work"


def payouts_work(limit: int) -> int:
    """ENTRY: work on at most ``limit`` due payouts of the bound site; how many were worked on."""
    return payouts_round(limit).total()


def payouts_round(limit: int, *, budget_s: float = START_BUDGET_S, may_send: bool = True) -> Counter[str]:
    """ENTRY: as payouts_work; how many payouts came to which state ("stale": another worker took over).

    Without ``may_send`` ready ones are left alone. Starts nothing new after ``budget_s``, and nothing with a
    provider that may not be called now. Raises ValueError when the custody configuration is unusable; then nothing
    was claimed.
    """
    custodies = custodies_in_use()
    outcomes: Counter[str] = Counter()
    deadline_s = time.monotonic() + budget_s
    while outcomes.total() < limit and time.monotonic() < deadline_s:
        # Before anything is claimed: a claim that may not be worked on would keep its payout for the whole lease.
        leased = lease_due(providers_closed(calls=CALLS_A_PAYOUT), ready_too=may_send)
        if leased is None:
            break
        outcomes[_worked(custodies[leased.custody_provider], leased)] += 1
    return outcomes


def payout_look(*, payout_id: UUID | None = None, external_id: str | None = None) -> str:
    """ENTRY: ask the provider now and settle; never sends.

    Returns the payout's state afterwards, "stale", or "not_in_work" when it is unknown, settled or in somebody's
    hands this moment.
    """
    if payout_id is None:
        payout_id = _payout_of(external_id)
    leased = lease_one(payout_id) if payout_id else None
    if leased is None:
        return NOT_IN_WORK
    return _ask(custody_in_use(leased.custody_provider), leased, may_send=False)


def payout_check_now(*, attempt_id: UUID) -> bool:
    """ENTRY: an event came for this attempt: make its payout due and wake a worker.

    False when the site has no such attempt; True also when its payout is settled and nothing is left to do.
    """
    with site_scope() as site_id:
        attempt = PayoutAttempt.objects.filter(site_id=site_id, id=attempt_id).first()
        if attempt is None:
            return False
        waiting = Payout.objects.filter(site_id=site_id, id=attempt.payout_id, status__in=ASKABLE)
        if waiting.update(next_attempt_at=Now()):
            ring(SWEEPER)
        return True


def payout_send(custody: Custody, leased: Leased) -> str:
    """ENTRY: send once under the attempt's external id and write what came of it. Returns as settle.

    Not sent when the asset or its vault is no longer what people approved, or the provider counts in other decimals.
    """
    if fence_closed_from() is not None:
        return _postponed(leased, RemoteError("restore_unread", "what left before is not known yet"))
    with site_scope():
        approved = plan_holds(batch_id=leased.batch_id)
    if not approved:
        return _rejected(leased, RemoteRejected("plan_changed", "the asset is not as it was approved"))
    try:
        custody.require_asset(_request(leased))
    except RemoteRejected as refusal:
        return _rejected(leased, refusal)
    except RemoteError as failure:
        return _postponed(leased, failure)
    leave_by_s = time.time() + LEASE_S
    if not send_counted(leased):
        return STALE
    try:
        provider_id = custody.submit(_request(leased, leave_by_s))
    except AlreadySubmitted:
        # An earlier send arrived after all: what it became is the next look's business, at once.
        # Noted, since a provider that knows it and does not find it afterwards proves nothing (clearance.py).
        return write(leased, Verdict(PayoutStatus.SUBMITTED), wait_s=0, raw_status="already_submitted")
    except RemoteRejected as refusal:
        return _rejected(leased, refusal)
    except RemoteError as failure:
        return _postponed(leased, failure)
    return write(
        leased,
        Verdict(PayoutStatus.SUBMITTED),
        wait_s=leased.backoff_s(),
        provider_transfer_id=provider_id,
        error_code="",
    )


def _worked(custody: Custody, leased: Leased) -> str:
    try:
        if leased.status == PayoutStatus.SUBMITTING and leased.sends == 0:
            return payout_send(custody, leased)
        return _ask(custody, leased, may_send=True)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        # Safe: nothing is written, the lease runs out and the payout is asked for again; and the payouts behind
        # a poisonous one must not wait for it.
        logger.exception("payout %s: work failed", leased.payout_id)
        return "error"


def _ask(custody: Custody, leased: Leased, *, may_send: bool) -> str:
    try:
        truth = custody.find_by_external_id(leased.external_id, decimals=leased.decimals)
    except RemoteError as failure:
        return _postponed(leased, failure)
    if leased.status == PayoutStatus.HELD and (approved := resolution_approved(leased.payout_id)):
        return _carried_out(leased, truth, approved)
    if truth is not None:
        return settle(leased, truth)
    if leased.status == PayoutStatus.SUBMITTING and not _was_rejected(leased):
        return payout_send(custody, leased) if may_send else write(leased, _unchanged(leased), wait_s=0)
    return _not_found(leased)


def _carried_out(leased: Leased, truth: TransferTruth | None, approved: Approved) -> str:
    try:
        return resolution_carry_out(leased, truth, approved)
    except RemoteError as failure:
        return _postponed(leased, failure)


def _not_found(leased: Leased) -> str:
    """Accepted, or refused after an earlier send, and not there: a late arrival is possible for a while."""
    if leased.status == PayoutStatus.HELD:
        return write(leased, _unchanged(leased), wait_s=None)
    if leased.sent_ago_s() < PATIENCE_S:
        return write(leased, _unchanged(leased), wait_s=leased.backoff_s())
    code = "rejected_after_unknown" if _was_rejected(leased) else "transfer_missing"
    return write(leased, Verdict(PayoutStatus.HELD, hold_code=code), wait_s=None)


def _rejected(leased: Leased, refusal: RemoteRejected) -> str:
    code = f"{REJECTED_MARK}{refusal.code}"[:64]
    logger.warning("payout %s refused: %s", leased.payout_id, refusal)
    if leased.sends == 0:
        return write(leased, Verdict(PayoutStatus.FAILED), wait_s=None, error_code=code)
    # This call moved nothing; an earlier one, whose answer never came, may still arrive.
    return write(leased, _unchanged(leased), wait_s=leased.backoff_s(), error_code=code)


def _postponed(leased: Leased, failure: RemoteError) -> str:
    logger.warning("payout %s: custody: %s", leased.payout_id, failure)
    wait_s = max(leased.backoff_s(), failure.retry_after_s or 0)
    # A refusal that was seen stays written: it says that nothing may be sent again.
    noted: dict[str, Any] = {} if _was_rejected(leased) else {"error_code": failure.code[:64]}
    return write(leased, _unchanged(leased), wait_s=wait_s, **noted)


def _unchanged(leased: Leased) -> Verdict:
    return Verdict(PayoutStatus(leased.status), hold_code=leased.hold_code)


def _was_rejected(leased: Leased) -> bool:
    return leased.error_code.startswith(REJECTED_MARK)


def _request(leased: Leased, leave_by_s: float | None = None) -> TransferRequest:
    return TransferRequest(
        external_id=leased.external_id,
        asset_id=leased.custody_asset_id,
        decimals=leased.decimals,
        vault_account_id=leased.custody_vault_id,
        to_address=leased.to_address,
        amount_base_units=leased.amount_base_units,
        note=f"POSX payout {leased.payout_id}",
        leave_by_s=leave_by_s,
    )


def _payout_of(external_id: str | None) -> UUID | None:
    parsed = external_id_parse(external_id)
    if parsed is None:
        return None
    with site_scope() as site_id:
        rows = PayoutAttempt.objects.filter(site_id=site_id, id=parsed.attempt_id, external_id=external_id)
        return rows.values_list("payout_id", flat=True).first()
