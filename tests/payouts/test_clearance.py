"""What has to be proven before a payout's tokens may be paid again: our own signed transfers, and the chain's word."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from apps.payouts.clearance import doubt_about
from apps.payouts.custody.base import TransferPhase, TransferTruth
from apps.payouts.custody.evm.chain import reverted_at_depth
from apps.payouts.leases import Leased

TX_HASH = "0x" + "ab" * 32


def evm_lease() -> Leased:
    return Leased(
        payout_id=uuid4(),
        batch_id=uuid4(),
        token=uuid4(),
        status="held",
        claimed_at=datetime(2026, 1, 1, tzinfo=UTC),
        to_address="0x" + "1" * 40,
        amount_base_units=5,
        decimals=18,
        custody_asset_id="TOKEN",
        custody_vault_id="0x" + "2" * 40,
        attempt_id=uuid4(),
        external_id="posx-1",
        custody_provider="evm",
        provider_transfer_id="",
        raw_status="",
        chain_id=1,
        confirmations=3,
        sends=1,
        last_sent_at=None,
        error_code="",
        hold_code="provider_needs_person",
    )


def truth(raw_status: str) -> TransferTruth:
    return TransferTruth(
        provider_transfer_id="t",
        external_id="posx-1",
        phase=TransferPhase.NEEDS_PERSON,
        raw_status=raw_status,
        sub_status="",
        tx_hash=TX_HASH,
        asset_id="TOKEN",
        amount_base_units=5,
        to_address=None,
    )


@pytest.mark.parametrize("status", ["superseded", "reverted"])
def test_a_nonce_that_is_used_up_leaves_no_doubt(status: str) -> None:
    assert doubt_about(evm_lease(), truth(status)) == ""


def test_what_was_never_signed_leaves_no_doubt() -> None:
    assert doubt_about(evm_lease(), None) == ""


@pytest.mark.parametrize("status", ["waiting", "confirming", "mined"])
def test_what_is_signed_and_may_be_mined_is_doubted(status: str) -> None:
    assert doubt_about(evm_lease(), truth(status)) == "transfer_may_be_mined"


class Chain:
    """A node whose newest block is 12, and which has this receipt in block 10."""

    def __init__(self, receipt: dict[str, Any] | None) -> None:
        self.receipt = receipt

    def call(self, method: str, *_params: object) -> Any:
        return self.receipt if method == "eth_getTransactionReceipt" else {"hash": "0xb10c"}

    def number(self, _method: str) -> int:
        return 12


def receipt(status: str, block_hash: str = "0xb10c") -> dict[str, Any]:
    return {"transactionHash": TX_HASH, "blockNumber": "0xa", "blockHash": block_hash, "status": status}


@pytest.mark.parametrize(
    ("found", "depth", "reverted"),
    [
        (receipt("0x0"), 3, True),
        (receipt("0x0"), 4, False),
        (receipt("0x1"), 3, False),
        (receipt("0x0", "0x1ef7"), 3, False),
        (None, 1, False),
    ],
    ids=["at depth", "not deep enough", "it succeeded", "in a block that was left", "not mined"],
)
def test_a_transaction_is_dead_only_once_it_failed_at_depth(
    found: dict[str, Any] | None, depth: int, reverted: bool
) -> None:
    assert reverted_at_depth(Chain(found), TX_HASH, depth) is reverted  # type: ignore[arg-type]
