"""Questions to the chain: what a token and a wallet have, where a transaction was mined, how deep it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from apps.core.remote import RemoteRejected
from apps.payouts.custody.base import CustodyUnknown
from apps.payouts.custody.evm.erc20 import DECIMALS, balance_call, transfer_call, word_uint256
from apps.payouts.custody.evm.errors import TransferWaits
from apps.payouts.custody.evm.fees import GWEI
from apps.payouts.custody.evm.rpc import Node, NodeRefused, quantity
from apps.payouts.evm_models import EvmTransaction

# What nodes say of a transaction that they, or the chain, have already: geth, Nethermind, Besu, Erigon, Reth, anvil.
_KNOWN = (
    "already known",
    "already imported",
    "known transaction",
    "nonce too low",
    "replacement",
    "already exists",
)
_REVERTED = 3  # geth's error number of an execution that reverted


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block of the chain as it is now; a ``depth`` of 1 is the newest block."""

    transaction: EvmTransaction
    block_number: int
    block_hash: str
    depth: int
    succeeded: bool
    receipt: Mapping[str, Any]


def node_of(chain_id: int) -> Node:
    """The node of a chain, which must say that it is that chain's. Raises TransferWaits, CustodyUnknown."""
    url = settings.EVM_RPC_URLS.get(str(chain_id))
    if url is None:
        raise TransferWaits("evm_rpc_missing", f"EVM_RPC_URLS has no address for chain {chain_id}")
    node = Node(url)
    told = node.number("eth_chainId")
    if told != chain_id:
        # Receipts and nonces of another chain would be taken for ours.
        raise TransferWaits("evm_wrong_chain", f"the node of chain {chain_id} serves chain {told}")
    return node


def fee_limit_wei() -> int:
    """The most that a unit of gas may cost (EVM_MAX_FEE_GWEI)."""
    return int(settings.EVM_MAX_FEE_GWEI) * GWEI


def token_decimals(node: Node, contract_address: str) -> int:
    """What the contract answers to decimals(). RemoteRejected when nothing there answers like a token."""
    try:
        decimals = word_uint256(call_or_none(node, contract_address, DECIMALS))
    except ValueError:
        raise RemoteRejected("evm_not_a_token", f"{contract_address} does not answer decimals()") from None
    return decimals


def token_balance(node: Node, contract_address: str, address: str) -> int:
    """Base units of the token that an address holds. Raises CustodyUnknown."""
    try:
        return word_uint256(call_or_none(node, contract_address, balance_call(address)))
    except ValueError:
        raise CustodyUnknown("evm_answer_unreadable", "balanceOf") from None


def transfer_gas(node: Node, contract_address: str, sender: str, to_address: str, base_units: int) -> int:
    """A gas limit for the transfer, a quarter above the node's estimate.

    RemoteRejected when the contract would refuse it now: found here, it costs neither gas nor a nonce.
    """
    call = {"from": sender, "to": contract_address, "data": transfer_call(to_address, base_units)}
    try:
        answer = node.call("eth_call", call, "latest")
        # Left out, the block is "pending" on some nodes: there, transfers on their way count as made.
        estimate = node.number("eth_estimateGas", call, "latest")
    except NodeRefused as refusal:
        if refusal.number == _REVERTED or "revert" in refusal.detail.lower():
            raise RemoteRejected("evm_call_reverts", refusal.detail) from None
        raise
    # Some tokens answer false where others revert, and some old ones answer nothing at all.
    if answer not in (None, "0x") and answer != f"0x{1:064x}":
        raise RemoteRejected("evm_call_refused", "the contract does not answer true")
    return estimate * 5 // 4


def fees_now(node: Node) -> tuple[int, int]:
    """Base fee of the newest block and a usual tip, in wei."""
    block = node.call("eth_getBlockByNumber", "latest", False)
    if not isinstance(block, dict) or "baseFeePerGas" not in block:
        raise CustodyUnknown("evm_answer_unreadable", "no base fee: a chain before EIP-1559?")
    base_fee_wei = quantity(block["baseFeePerGas"])
    try:
        return base_fee_wei, node.number("eth_maxPriorityFeePerGas")
    except NodeRefused:
        return base_fee_wei, GWEI


def nonce_count(node: Node, address: str, block: int | None = None) -> int:
    """How many transactions of an address are mined, which is its next nonce; at ``block`` or the newest."""
    return node.number("eth_getTransactionCount", address, "latest" if block is None else hex(block))


def nonce_used(node: Node, address: str) -> int:
    """How many of the wallet's transactions the node knows, those that wait to be mined included."""
    return max(nonce_count(node, address), node.number("eth_getTransactionCount", address, "pending"))


def broadcast(node: Node, raw: str) -> str:
    """Hand a stored transaction to the node; empty, or why it did not take it.

    That it is known, replaced or mined is no refusal: receipts tell which transaction of the nonce won.
    """
    try:
        node.call("eth_sendRawTransaction", raw)
    except NodeRefused as refusal:
        said = refusal.detail.lower()
        return "" if any(words in said for words in _KNOWN) else refusal.detail
    return ""


def mined_among(node: Node, transactions: Sequence[EvmTransaction]) -> Mined | None:
    """The one of these transactions (all of one nonce) that is in the chain now, or None."""
    for transaction in reversed(transactions):
        receipt = node.call("eth_getTransactionReceipt", transaction.tx_hash)
        if receipt is not None and (mined := _mined(node, transaction, receipt)) is not None:
            return mined
    return None


def reverted_at_depth(node: Node, tx_hash: str, depth: int) -> bool:
    """Whether a transaction lies ``depth`` blocks deep and failed there: it moved nothing, and its nonce is used.

    False for one without a receipt, which may be mined tomorrow. Raises CustodyUnknown.
    """
    receipt = node.call("eth_getTransactionReceipt", tx_hash)
    place = None if receipt is None else _place(node, tx_hash, receipt)
    if place is None:
        return False
    _number, _block_hash, found_depth, succeeded = place
    return not succeeded and found_depth >= depth


def _mined(node: Node, transaction: EvmTransaction, receipt: Any) -> Mined | None:
    place = _place(node, transaction.tx_hash, receipt)
    return None if place is None else Mined(transaction, *place, receipt)


def _place(node: Node, tx_hash: str, receipt: Any) -> tuple[int, str, int, bool] | None:
    """Block number and hash, depth, and whether it succeeded; None for a block that the chain has left."""
    if not isinstance(receipt, dict) or receipt.get("transactionHash") != tx_hash:
        raise CustodyUnknown("evm_answer_mismatch", "a receipt of another transaction")
    number, block_hash = quantity(receipt.get("blockNumber")), receipt.get("blockHash")
    head = node.number("eth_blockNumber")
    block = node.call("eth_getBlockByNumber", hex(number), False)
    # A node in the middle of a reorganisation may still answer receipts of the block that it left.
    if not isinstance(block, dict) or not isinstance(block_hash, str) or block.get("hash") != block_hash:
        return None
    return number, block_hash, head - number + 1, quantity(receipt.get("status")) == 1


def has_code(node: Node, address: str) -> bool:
    """Whether a contract is at the address now. Raises CustodyUnknown."""
    code = node.call("eth_getCode", address, "latest")
    if not isinstance(code, str) or not code.startswith("0x"):
        raise CustodyUnknown("evm_answer_unreadable", "eth_getCode")
    return len(code) > len("0x")


def call_or_none(node: Node, contract_address: str, data: str) -> object:
    """What the contract answers to a call that changes nothing, as hex text; None when it reverts."""
    try:
        return node.call("eth_call", {"to": contract_address, "data": data}, "latest")
    except NodeRefused as refusal:
        if refusal.number == _REVERTED or "revert" in refusal.detail.lower():
            return None
        raise
