"""The chain against our payouts: every Transfer out of a site's hot wallet, by ranges of blocks."""

from __future__ import annotations

from collections.abc import Iterable

from apps.operations.threeway import booked
from apps.operations.threeway.booked import TooMuch, WalletPlace
from apps.operations.threeway.compare import Subject, ToldTransfer, compare_transfer
from apps.operations.threeway.record import Looked, findings_write
from apps.payouts.custody.evm.chain import node_of
from apps.payouts.custody.evm.movements import Left, head_block, left_between, left_by
from apps.payouts.custody.evm.rpc import NodeRefused
from apps.sites.models import Asset
from apps.sites.scope import site_scope

BLOCKS_MOST = 1000
ROWS_MOST = 1000


def source_of(asset: Asset) -> str:
    """The name of the asset's cursor."""
    return f"evm:{asset.id}"


def settled_block(asset: Asset) -> int:
    """The newest block that is looked at: twice the asset's depth below the head, so that payouts are booked.

    Raises RemoteError.
    """
    return head_block(node_of(asset.chain_id)) - 2 * asset.confirmations


def start_block(asset: Asset, settled: int) -> int:
    """ENTRY: where the asset's first look begins: just before its first transfer, or now when there is none.

    What left the wallet before it was ours to send from is not ours to explain.
    """
    with site_scope():
        first = booked.first_block_of(asset.custody_vault_id, asset.contract_address)
    return max((settled if first is None else min(first, settled)) - 1, 0)


def chain_look(asset: Asset, from_block: int, to_block: int, *, bounded: bool = True) -> Looked:
    """ENTRY: compare all that left the wallet in these blocks, both included; in the bound site.

    Raises TooMuch, RemoteError.
    """
    node = node_of(asset.chain_id)
    try:
        left = left_between(
            node,
            contract_address=asset.contract_address,
            wallet=asset.custody_vault_id,
            from_block=from_block,
            to_block=to_block,
        )
    except NodeRefused:
        # Every node has its own limit of blocks and events, and its own words for it.
        if to_block > from_block:
            raise TooMuch from None
        raise
    if bounded and len(left) > ROWS_MOST and to_block > from_block:
        raise TooMuch
    with site_scope():
        # A payout has one key, whichever side it is looked at from; what we did not sign has its hash.
        keys = booked.external_ids([one.tx_hash for one in left])
        told = {keys.get(one.tx_hash, one.tx_hash): _told(one) for one in left}
        rows = booked.transfers(told.keys())
        found = {key: list(compare_transfer(one, rows.get(key))) for key, one in told.items()}
        return findings_write(source=source_of(asset), subject=Subject.TRANSFER, found=found)


def told_on_chain(place: WalletPlace | None, hashes: Iterable[str]) -> ToldTransfer | None:
    """What the first of these transactions that moved anything moved out of the wallet; None when none did.

    Raises RemoteError.
    """
    if place is None:
        return None
    node = node_of(place.chain_id)
    for tx_hash in hashes:
        left = left_by(node, tx_hash=tx_hash, contract_address=place.contract_address, wallet=place.wallet)
        if left is not None:
            return _told(left)
    return None


def _told(left: Left) -> ToldTransfer:
    return ToldTransfer(
        is_moved=True,
        amount_base_units=left.amount_base_units,
        to_address=left.to_address,
        tx_hash=left.tx_hash,
        status="mined",
    )
