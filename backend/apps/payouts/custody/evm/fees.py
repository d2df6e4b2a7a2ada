"""Fees of EIP-1559 transactions, in wei a unit of gas: pure arithmetic on what the chain says."""

from __future__ import annotations

from dataclasses import dataclass

GWEI = 10**9
# Nodes replace a transaction when both of its fees grow by a tenth; an eighth stays clear of their rounding.
_BUMP_NUMERATOR, _BUMP_DENOMINATOR = 9, 8


@dataclass(frozen=True, slots=True)
class Fees:
    """What one transaction offers: at most ``max_fee_wei``, of it at most ``max_priority_fee_wei`` as a tip."""

    max_fee_wei: int
    max_priority_fee_wei: int


def first_fees(*, base_fee_wei: int, tip_wei: int, limit_wei: int) -> Fees | None:
    """Room for six full blocks (an eighth more base fee each); None when not even the next one is affordable."""
    if base_fee_wei + tip_wei > limit_wei:
        return None
    return Fees(min(2 * base_fee_wei + tip_wei, limit_wei), tip_wei)


def bumped_fees(fees: Fees, *, base_fee_wei: int, tip_wei: int, limit_wei: int) -> Fees | None:
    """Fees under which nodes replace the transaction, and that the chain asks for now; None above the limit."""
    max_fee_wei = max(_bumped(fees.max_fee_wei), min(2 * base_fee_wei + tip_wei, limit_wei))
    if max_fee_wei > limit_wei:
        return None
    return Fees(max_fee_wei, min(max(_bumped(fees.max_priority_fee_wei), tip_wei), max_fee_wei))


def _bumped(wei: int) -> int:
    return -(-wei * _BUMP_NUMERATOR // _BUMP_DENOMINATOR) or 1
