"""Following what was signed until its nonce lies at the asset's depth: again on air, a higher fee, the truth."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.utils import timezone

from apps.payouts.custody.base import TransferPhase, TransferTruth
from apps.payouts.custody.evm import chain, rows
from apps.payouts.custody.evm.chain import Mined
from apps.payouts.custody.evm.erc20 import moved_by
from apps.payouts.custody.evm.fees import Fees, bumped_fees
from apps.payouts.custody.evm.rpc import Node
from apps.payouts.custody.evm.signing import hot_key
from apps.payouts.evm_models import EvmTransfer, TransferOutcome
from apps.payouts.models import PayoutStatus

logger = logging.getLogger("posx.payouts")

BUMP_AFTER = timedelta(minutes=3)
TRANSACTIONS_MOST = 12  # of one nonce: each is asked for at every look


def truth_of(node: Node, stored: rows.Stored) -> TransferTruth:
    """What the chain says about a transfer now. Raises CustodyUnknown, TransferWaits, NodeRefused."""
    mined = chain.mined_among(node, stored.transactions)
    if mined is None:
        return _not_mined(node, stored)
    rows.block_seen(stored, mined.transaction, mined.block_number, mined.block_hash)
    depth, wanted = mined.depth, stored.transfer.attempt.payout.asset.confirmations
    if depth < wanted:
        return _truth(
            stored, TransferPhase.IN_FLIGHT, "confirming", f"{depth}/{wanted}", mined.transaction.tx_hash
        )
    return _at_depth(stored, mined)


def _at_depth(stored: rows.Stored, mined: Mined) -> TransferTruth:
    tx_hash = mined.transaction.tx_hash
    if not mined.succeeded:
        rows.outcome_write(stored, TransferOutcome.REVERTED)
        return _truth(stored, TransferPhase.FAILED_NOTHING_MOVED, "reverted", "", tx_hash)
    rows.outcome_write(stored, TransferOutcome.MOVED)
    transfer = stored.transfer
    wallet = transfer.wallet.address.lower()
    events = [one for one in moved_by(mined.receipt, transfer.contract_address) if one.from_address == wallet]
    # A token that takes a fee, or writes no event, did something else than was approved: a person looks.
    event = events[0] if len(events) == 1 else None
    return TransferTruth(
        provider_transfer_id=str(transfer.id),
        external_id=transfer.attempt.external_id,
        phase=TransferPhase.COMPLETED,
        raw_status="mined",
        sub_status=f"{len(events)} events" if event is None else "",
        tx_hash=tx_hash,
        asset_id=_asset_id(transfer),
        amount_base_units=event.amount_base_units if event else None,
        to_address=event.to_address if event else None,
    )


def _not_mined(node: Node, stored: rows.Stored) -> TransferTruth:
    if rows.block_seen(stored, None, None, ""):
        logger.warning("EVM nonce %s: its block was taken back", stored.transfer.nonce)
    count = chain.nonce_count(node, stored.transfer.wallet.address)
    if count > stored.transfer.nonce:
        return _used_by_another(node, stored)
    if stored.transfer.attempt.payout.status == PayoutStatus.HELD:
        # A person decides about it: it is not pushed towards the chain meanwhile.
        return _truth(stored, TransferPhase.IN_FLIGHT, "waiting", "held")
    refusal = chain.broadcast(node, stored.transactions[-1].raw)
    if count == stored.transfer.nonce:
        refusal = _bump_if_stuck(node, stored) or refusal
    return _truth(stored, TransferPhase.IN_FLIGHT, "waiting", refusal[:120])


def _bump_if_stuck(node: Node, stored: rows.Stored) -> str:
    """Only the wallet's next nonce: those behind it wait for it, whatever they offer. Empty, or why not."""
    newest = stored.transactions[-1]
    base_fee_wei, tip_wei = chain.fees_now(node)
    is_stuck = base_fee_wei > newest.max_fee_wei or timezone.now() - newest.created_at > BUMP_AFTER
    if not is_stuck:
        return ""
    fees = bumped_fees(
        Fees(newest.max_fee_wei, newest.max_priority_fee_wei),
        base_fee_wei=base_fee_wei,
        tip_wei=tip_wei,
        limit_wei=chain.fee_limit_wei(),
    )
    if fees is None or len(stored.transactions) >= TRANSACTIONS_MOST:
        return "fee at its limit"
    key = hot_key(stored.transfer.site.code, stored.transfer.wallet.address)
    bumped = rows.transfer_bump(stored, key, fees)
    if bumped is None:
        return ""
    logger.info("EVM nonce %s: fee %s wei a gas", stored.transfer.nonce, fees.max_fee_wei)
    return chain.broadcast(node, bumped.raw)


def _used_by_another(node: Node, stored: rows.Stored) -> TransferTruth:
    """The nonce is mined, and none of our hashes is: somebody used the key, or the node is behind itself."""
    depth = stored.transfer.attempt.payout.asset.confirmations
    deep = node.number("eth_blockNumber") - depth + 1
    is_final = (
        deep >= 0 and chain.nonce_count(node, stored.transfer.wallet.address, deep) > stored.transfer.nonce
    )
    # Read and asked again after the count: another worker may have raised the fee, and that one was mined.
    stored = rows.stored_for(transfer_id=stored.transfer.id) or stored
    if not is_final or chain.mined_among(node, stored.transactions) is not None:
        return _truth(stored, TransferPhase.IN_FLIGHT, "waiting", "nonce used, no receipt yet")
    rows.outcome_write(stored, TransferOutcome.SUPERSEDED)
    return _truth(stored, TransferPhase.NEEDS_PERSON, "superseded", "nonce used by another transaction")


def _truth(
    stored: rows.Stored, phase: TransferPhase, status: str, sub_status: str, tx_hash: str | None = None
) -> TransferTruth:
    transfer = stored.transfer
    return TransferTruth(
        provider_transfer_id=str(transfer.id),
        external_id=transfer.attempt.external_id,
        phase=phase,
        raw_status=status,
        sub_status=sub_status,
        tx_hash=tx_hash or stored.transactions[-1].tx_hash,
        asset_id=_asset_id(transfer),
        amount_base_units=transfer.amount_base_units,
        to_address=transfer.to_address,
    )


def _asset_id(transfer: EvmTransfer) -> str:
    """The asset's custody id, when chain and contract are the asset's; otherwise what they are (CAIP-19)."""
    asset = transfer.attempt.payout.asset
    if (asset.chain_id, asset.contract_address) == (transfer.wallet.chain_id, transfer.contract_address):
        return str(asset.custody_asset_id)
    return f"eip155:{transfer.wallet.chain_id}/erc20:{transfer.contract_address}"
