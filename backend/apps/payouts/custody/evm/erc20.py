"""The few words of the ERC-20 interface that a payout needs, encoded and decoded (Solidity's contract ABI)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.amounts import UINT256_MAX

# The first four bytes of keccak-256 of each signature.
TRANSFER = "0xa9059cbb"  # transfer(address,uint256)
BALANCE_OF = "0x70a08231"  # balanceOf(address)
DECIMALS = "0x313ce567"  # decimals()
TRANSFER_TOPIC = (
    "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"  # Transfer(address,address,uint256)
)
_WORD = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Moved:
    """One Transfer event: lower-case addresses, base units."""

    from_address: str
    to_address: str
    amount_base_units: int


def uint256_word(base_units: int) -> str:
    """Base units as the 64 hex digits of a uint256, the unit that a contract counts in. ValueError outside."""
    if isinstance(base_units, bool) or not isinstance(base_units, int) or not 0 <= base_units <= UINT256_MAX:
        raise ValueError("an amount must be a whole number that fits in 256 bits")
    return f"{base_units:064x}"


def word_uint256(text: object) -> int:
    """The number of one returned word ("0x" and 64 hex digits). ValueError for anything else."""
    if not isinstance(text, str) or not _WORD.fullmatch(text):
        raise ValueError("not one word")
    return int(text[2:], 16)


def transfer_call(to_address: str, base_units: int) -> str:
    """Call data of transfer(to, amount)."""
    return TRANSFER + _address_word(to_address) + uint256_word(base_units)


def balance_call(address: str) -> str:
    """Call data of balanceOf(address)."""
    return BALANCE_OF + _address_word(address)


def moved_by(receipt: Mapping[str, Any], contract_address: str) -> list[Moved]:
    """The Transfer events that this contract wrote in a receipt; other contracts' may say anything."""
    logs = receipt.get("logs")
    if not isinstance(logs, list):
        return []
    return [
        moved
        for log in logs
        if isinstance(log, dict) and str(log.get("address", "")).lower() == contract_address.lower()
        if (moved := _moved(log)) is not None
    ]


def _moved(log: Mapping[str, Any]) -> Moved | None:
    topics = log.get("topics")
    # Four topics are an ERC-721's event of the same name.
    if not isinstance(topics, list) or len(topics) != 3 or str(topics[0]).lower() != TRANSFER_TOPIC:
        return None
    try:
        return Moved(_word_address(topics[1]), _word_address(topics[2]), word_uint256(log.get("data")))
    except ValueError:
        return None


def _address_word(address: str) -> str:
    if not _ADDRESS.fullmatch(address):
        raise ValueError("not an address")
    return f"{int(address[2:], 16):064x}"


def _word_address(text: object) -> str:
    number = word_uint256(text)
    if number >> 160:
        raise ValueError("not an address")
    return f"0x{number:040x}"
