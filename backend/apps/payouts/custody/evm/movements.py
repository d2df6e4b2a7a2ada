"""What left a wallet, as the chain tells it: Transfer events by block range, or those of one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.payouts.custody.base import CustodyUnknown
from apps.payouts.custody.evm.erc20 import TRANSFER_TOPIC, Moved, moved_by
from apps.payouts.custody.evm.rpc import Node, quantity


@dataclass(frozen=True, slots=True)
class Left:
    """All that one transaction moved out of a wallet by one token contract."""

    tx_hash: str
    moved: tuple[Moved, ...]

    @property
    def amount_base_units(self) -> int:
        """The sum; a transaction of ours has exactly one transfer."""
        return sum(one.amount_base_units for one in self.moved)

    @property
    def to_address(self) -> str:
        """Whom to; more than one are joined, and so equal no single address."""
        return ",".join(sorted({one.to_address for one in self.moved}))


def left_between(
    node: Node, *, contract_address: str, wallet: str, from_block: int, to_block: int
) -> list[Left]:
    """Transfers out of the wallet in a range of blocks, both ends included. Raises CustodyUnknown, NodeRefused.

    A node that finds the range too long or too full refuses: ask for less.
    """
    answer = node.call(
        "eth_getLogs",
        {
            "fromBlock": hex(from_block),
            "toBlock": hex(to_block),
            "address": contract_address,
            "topics": [TRANSFER_TOPIC, f"0x{int(wallet, 16):064x}"],
        },
    )
    if not isinstance(answer, list):
        raise CustodyUnknown("evm_answer_unreadable", "no list of logs")
    by_hash: dict[str, list[Any]] = {}
    for log in answer:
        tx_hash = log.get("transactionHash") if isinstance(log, dict) else None
        if not isinstance(tx_hash, str):
            raise CustodyUnknown("evm_answer_unreadable", "a log without its transaction")
        by_hash.setdefault(tx_hash.lower(), []).append(log)
    return [_left(tx_hash, logs, contract_address, wallet) for tx_hash, logs in by_hash.items()]


def left_by(node: Node, *, tx_hash: str, contract_address: str, wallet: str) -> Left | None:
    """What one transaction moved, None when it is nowhere in the chain, failed, or moved nothing of it."""
    receipt = node.call("eth_getTransactionReceipt", tx_hash)
    if receipt is None:
        return None
    if not isinstance(receipt, dict) or str(receipt.get("transactionHash", "")).lower() != tx_hash.lower():
        raise CustodyUnknown("evm_answer_mismatch", "a receipt of another transaction")
    if quantity(receipt.get("status")) != 1:
        return None
    left = _left(tx_hash.lower(), receipt.get("logs") or [], contract_address, wallet)
    return left if left.moved else None


def head_block(node: Node) -> int:
    """The number of the newest block."""
    return node.number("eth_blockNumber")


def _left(tx_hash: str, logs: list[Any], contract_address: str, wallet: str) -> Left:
    moved = moved_by({"logs": logs}, contract_address)
    return Left(tx_hash, tuple(one for one in moved if one.from_address == wallet.lower()))
