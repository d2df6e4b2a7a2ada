"""Carrying out what two people decided about a held payout, by a worker who holds it and has just asked for it."""

from __future__ import annotations

import logging
from typing import Any

from apps.payouts.clearance import doubt_about
from apps.payouts.custody.base import TransferTruth
from apps.payouts.custody.evm.errors import TransferWaits
from apps.payouts.custody.evm.rpc import NodeRefused
from apps.payouts.leases import Leased
from apps.payouts.models import PayoutStatus
from apps.payouts.resolution_models import ResolutionAction, ResolutionState
from apps.payouts.resolution_steps import Approved, Finished
from apps.payouts.settlement import Verdict, seen, settle, verdict_of, write

logger = logging.getLogger("posx.payouts")


def resolution_carry_out(leased: Leased, truth: TransferTruth | None, approved: Approved) -> str:
    """ENTRY: settle by the provider's answer where it decides; otherwise do, or refuse, what was approved.

    ``truth`` is that answer, None when the provider has no such transfer. Nothing is ever sent here. Returns as
    settle. Raises RemoteError when the chain does not answer: the resolution then stays approved.
    """
    verdict = verdict_of(leased, truth) if truth else _still_held(leased)
    if approved.action is ResolutionAction.ASK_AGAIN:
        return _noted(leased, truth, verdict, Finished(approved.id, ResolutionState.DONE, verdict.status))
    if verdict.status is not PayoutStatus.HELD:
        # The provider's own word goes before ours; that nothing moved is what was asked for.
        failed = verdict.status is PayoutStatus.FAILED
        finished = Finished(approved.id, ResolutionState.DONE, verdict.status) if failed else None
        return _noted(leased, truth, verdict, finished)
    if doubt := _doubt(leased, truth):
        logger.warning("payout %s is not released back: %s", leased.payout_id, doubt)
        return _noted(leased, truth, verdict, Finished(approved.id, ResolutionState.REFUSED, doubt))
    done = Finished(approved.id, ResolutionState.DONE, PayoutStatus.FAILED)
    # An event during the lease may be newer than the answer: the next look, when the lease has run out, decides.
    return write(
        leased, Verdict(PayoutStatus.FAILED), wait_s=None, finished=done, unless_rung=True, **_seen(truth)
    )


def _doubt(leased: Leased, truth: TransferTruth | None) -> str:
    try:
        return doubt_about(leased, truth)
    except (TransferWaits, NodeRefused) as refusal:
        # No node for this chain, or one that cannot be asked so: waiting would not help.
        return refusal.code


def _noted(leased: Leased, truth: TransferTruth | None, verdict: Verdict, finished: Finished | None) -> str:
    if truth is not None:
        return settle(leased, truth, finished=finished)
    return write(leased, verdict, wait_s=None, finished=finished)


def _still_held(leased: Leased) -> Verdict:
    return Verdict(PayoutStatus.HELD, hold_code=leased.hold_code)


def _seen(truth: TransferTruth | None) -> dict[str, Any]:
    return seen(truth) if truth else {}
