"""Whether a transfer can still move anything: what has to be proven before its tokens may be paid again.

Everything that is not proven is doubt, and doubt keeps a payout held.
"""

from __future__ import annotations

from apps.payouts.custody.base import TransferPhase, TransferTruth
from apps.payouts.custody.evm import chain
from apps.payouts.evm_models import TransferOutcome
from apps.payouts.leases import Leased
from apps.sites.models import CustodyProvider

# How long a transfer that ought to be at the provider, and is not found there, is asked for. Far above the time in
# which a send that was counted can still be accepted (Custody.submit, ``leave_by_s``), clocks that differ included.
PATIENCE_S = 600.0


def doubt_about(leased: Leased, truth: TransferTruth | None) -> str:
    """Why this transfer may still move, or did; empty when it is proven that it moved nothing and never will.

    ``truth`` is what the provider said just now. Asks the chain where only it can tell. Raises RemoteError when it
    does not answer, and TransferWaits when no node is configured for it.
    """
    if leased.custody_provider == CustodyProvider.EVM:
        return _doubt_of_signed(truth)
    if truth is None:
        return _doubt_of_unknown(leased)
    match truth.phase:
        case TransferPhase.FAILED_NOTHING_MOVED:
            return ""
        case TransferPhase.NEEDS_PERSON if truth.tx_hash:
            node = chain.node_of(leased.chain_id)
            reverted = chain.reverted_at_depth(node, truth.tx_hash, leased.confirmations)
            return "" if reverted else "chain_does_not_show_failure"
        case TransferPhase.IN_FLIGHT:
            return "transfer_in_flight"
    return "transfer_completed"


def _doubt_of_signed(truth: TransferTruth | None) -> str:
    """Our own signed transactions: without one, or with its nonce used up at depth, nothing can be mined."""
    # None is final: nothing is signed for an attempt that is closed (SignedOnlyWhileOpen).
    ended = (TransferOutcome.REVERTED, TransferOutcome.SUPERSEDED)
    return "" if truth is None or truth.raw_status in ended else "transfer_may_be_mined"


def _doubt_of_unknown(leased: Leased) -> str:
    """Not found at the provider, which proves nothing once it has said that it knows the transfer."""
    if leased.provider_transfer_id or leased.raw_status:
        return "provider_lost_transfer"
    return "sent_lately" if leased.sends and leased.sent_ago_s() < PATIENCE_S else ""
