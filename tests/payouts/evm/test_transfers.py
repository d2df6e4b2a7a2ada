"""Direct transfers on a real chain: whatever crashes, repeats or is taken back, tokens leave once."""

from __future__ import annotations

from typing import Any

import pytest

from apps.payouts.custody.base import AlreadySubmitted, TransferRequest
from apps.payouts.custody.choice import custody_in_use
from apps.payouts.custody.evm import chain as evm_chain
from apps.payouts.custody.evm import rows
from apps.payouts.custody.evm.account_library import account_library
from apps.payouts.custody.evm.chain import broadcast, node_of
from apps.payouts.leases import Leased, lease_due
from apps.payouts.submission import payouts_round
from apps.sites.models import Asset
from devstack.chain.node import CHAIN_ID, LocalChain
from tests.factories import in_site
from tests.payouts.evm.chain_scene import DEPTH, ChainScene
from tests.payouts.scenes import TOKEN, Thread
from tests.waiting import wait_until


class Crash(BaseException):
    """The process ends here."""


def crash(*_args: object, **_named: object) -> None:
    raise Crash


def request_of(leased: Leased) -> TransferRequest:
    return TransferRequest(
        external_id=leased.external_id,
        asset_id=leased.custody_asset_id,
        decimals=leased.decimals,
        vault_account_id=leased.custody_vault_id,
        to_address=leased.to_address,
        amount_base_units=leased.amount_base_units,
    )


def in_mempool(scene: ChainScene) -> None:
    """A ready payout that was sent and not mined."""
    scene.chain.automine(False)
    scene.ready()
    assert scene.work() == {"submitted": 1}
    assert scene.sent() == 0


# The way when nothing goes wrong


def test_a_transfer_is_paid_at_its_depth(scene: ChainScene) -> None:
    scene.ready(5 * TOKEN)
    assert scene.work() == {"submitted": 1}
    assert scene.later() == {"submitted": 1}
    assert scene.state() == ("submitted", "open", "confirming")
    scene.chain.mine(DEPTH - 1)
    assert scene.later() == {"paid": 1}
    [transfer], [transaction] = scene.transfers(), scene.transactions()
    assert (scene.payout().tx_hash, transfer.outcome) == (transaction.tx_hash, "moved")
    assert (scene.received(), scene.sent()) == (5 * TOKEN, 1)


def test_payouts_of_a_batch_take_one_nonce_each(scene: ChainScene) -> None:
    payouts = scene.ready(TOKEN, 2 * TOKEN, 3 * TOKEN)
    assert scene.work() == {"submitted": 3}
    scene.chain.mine(DEPTH)
    assert scene.later() == {"paid": 3}
    assert [transfer.nonce for transfer in scene.transfers()] == [0, 1, 2]
    assert [scene.received(payout) for payout in payouts] == [TOKEN, 2 * TOKEN, 3 * TOKEN]


def test_nonces_used_by_hand_are_left_out(scene: ChainScene) -> None:
    scene.chain.rpc("anvil_setNonce", scene.wallet, "0x7")
    scene.ready()
    scene.work()
    assert ([one.nonce for one in scene.transfers()], scene.wallets()[0].next_nonce) == ([7], 8)


# Crashes


def test_what_was_signed_and_never_broadcast_is_broadcast_later(
    scene: ChainScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.ready(5 * TOKEN)
    with monkeypatch.context() as crashing, pytest.raises(Crash):
        crashing.setattr(evm_chain, "broadcast", crash)
        scene.work()
    assert (scene.payout().status, len(scene.transactions()), scene.sent()) == ("submitting", 1, 0)
    assert scene.later() == {"submitted": 1}
    scene.chain.mine(DEPTH)
    assert scene.later() == {"paid": 1}
    assert (scene.received(), scene.sent(), len(scene.transactions())) == (5 * TOKEN, 1, 1)


def test_a_crash_before_the_commit_leaves_no_nonce_taken(
    scene: ChainScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.ready()
    with monkeypatch.context() as crashing, pytest.raises(Crash):
        crashing.setattr(rows, "_sign", crash)
        scene.work()
    assert (scene.transfers(), scene.wallets()) == ([], [])
    scene.later()
    assert [transfer.nonce for transfer in scene.transfers()] == [0]


def test_a_crash_after_the_broadcast_finds_the_transfer(
    scene: ChainScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.ready(5 * TOKEN)
    with monkeypatch.context() as crashing:
        crashing.setattr("apps.payouts.submission.write", lambda *_args, **_fields: "crashed")
        assert scene.work() == {"crashed": 1}
    scene.chain.mine(DEPTH)
    assert scene.later() == {"paid": 1}
    assert (scene.received(), scene.sent()) == (5 * TOKEN, 1)


def test_a_transaction_that_the_node_forgot_is_broadcast_again(scene: ChainScene) -> None:
    in_mempool(scene)
    scene.chain.rpc("anvil_dropAllTransactions")
    assert scene.later() == {"submitted": 1}
    scene.chain.mine(DEPTH)
    assert scene.later() == {"paid": 1}
    assert scene.sent() == 1


# Two at once


def test_two_workers_take_different_nonces(scene: ChainScene, admin_connection: Any) -> None:
    # given a wallet whose row somebody holds, and two workers that wait for it
    scene.ready(TOKEN)
    scene.work()
    scene.ready(TOKEN, TOKEN)
    with admin_connection.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            cursor.execute("SELECT FROM payouts_hotwallet FOR UPDATE")
            workers = [Thread(lambda: _round_of_one(scene)) for _ in range(2)]
            wait_until(lambda: _waiting_sessions(cursor) >= 2, 4, "both workers wait for the wallet")
        finally:
            cursor.execute("COMMIT")
    assert [worker.outcome() for worker in workers] == [{"submitted": 1}] * 2
    assert [transfer.nonce for transfer in scene.transfers()] == [0, 1, 2]
    assert scene.sent() == 3


def test_without_the_lock_the_database_refuses_the_second_use_of_a_nonce(
    scene: ChainScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the race is there, and a constraint stands behind the lock."""
    scene.ready(TOKEN)
    scene.work()
    scene.ready(TOKEN)
    [wallet] = scene.wallets()
    wallet.next_nonce = 0
    monkeypatch.setattr(rows, "_locked_wallet", lambda *_args: wallet)
    monkeypatch.setattr(evm_chain, "nonce_count", lambda *_args: 0)
    assert scene.work() == {"error": 1}
    assert (len(scene.transfers()), scene.sent()) == (1, 1)


def test_an_attempt_is_signed_once(scene: ChainScene) -> None:
    scene.ready(5 * TOKEN)
    with scene.working():
        leased = lease_due()
        assert leased is not None
    workers = [Thread(lambda: _submit(scene, leased)) for _ in range(2)]
    assert sorted(worker.outcome() for worker in workers) == ["already", "sent"]
    assert (len(scene.transfers()), scene.received()) == (1, 5 * TOKEN)


def _round_of_one(scene: ChainScene) -> Any:
    with scene.working():
        return payouts_round(1)


def _submit(scene: ChainScene, leased: Leased) -> str:
    with scene.working():
        try:
            custody_in_use("evm").submit(request_of(leased))
        except AlreadySubmitted:
            return "already"
        return "sent"


def _waiting_sessions(cursor: Any) -> int:
    # pg_stat_activity would show, all through a transaction, what it showed first.
    cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
    return int(cursor.fetchone()[0])


# Fees


def test_a_fee_that_the_chain_outgrew_is_raised_under_the_same_nonce(scene: ChainScene) -> None:
    in_mempool(scene)
    scene.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * 10**9))
    scene.chain.mine()
    assert scene.sent() == 0, "too cheap to be mined"
    assert scene.later() == {"submitted": 1}
    first, second = scene.transactions()
    assert (first.transfer_id, second.number) == (second.transfer_id, 2)
    assert second.max_fee_wei > 100 * 10**9 > first.max_fee_wei
    scene.chain.mine(DEPTH)
    assert scene.later() == {"paid": 1}
    assert (scene.payout().tx_hash, scene.sent(), scene.received()) == (second.tx_hash, 1, 5 * TOKEN)


def test_the_first_of_two_hashes_may_be_the_one_that_is_mined(scene: ChainScene) -> None:
    in_mempool(scene)
    scene.sql("UPDATE payouts_evmtransaction SET created_at = now() - interval '1 hour'")
    scene.later()
    first, second = scene.transactions()
    scene.chain.rpc("anvil_dropTransaction", second.tx_hash)
    scene.chain.rpc("eth_sendRawTransaction", first.raw)
    scene.chain.mine(DEPTH)
    assert scene.later() == {"paid": 1}
    assert (scene.payout().tx_hash, scene.sent(), scene.received()) == (first.tx_hash, 1, 5 * TOKEN)


def test_no_fee_is_raised_above_the_limit(scene: ChainScene, settings: Any) -> None:
    in_mempool(scene)
    settings.EVM_MAX_FEE_GWEI = 1
    scene.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * 10**9))
    scene.chain.mine()
    scene.later()
    assert (len(scene.transactions()), scene.attempts()[0].sub_status) == (1, "fee at its limit")


def test_a_fee_above_the_limit_makes_a_payout_wait(scene: ChainScene, settings: Any) -> None:
    settings.EVM_MAX_FEE_GWEI = 1
    scene.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * 10**9))
    scene.chain.mine()
    scene.ready()
    assert scene.work() == {"submitting": 1}
    assert (scene.state(), scene.transfers()) == (("submitting", "open", "evm_fee_above_limit"), [])


# What nodes say of a transaction that they have


def test_a_transaction_that_is_known_or_mined_is_no_failure(scene: ChainScene) -> None:
    in_mempool(scene)
    [transaction] = scene.transactions()
    node = node_of(CHAIN_ID)
    assert broadcast(node, transaction.raw) == "", "already known"
    scene.chain.mine()
    assert broadcast(node, transaction.raw) == "", "nonce too low"
    assert broadcast(node, "0x00") != "", "anything else is told"


# Reorganisations


def test_a_transfer_that_a_reorganisation_took_back_is_sent_again(
    chain: LocalChain, key: str, database: None, bells_lost: None
) -> None:
    scene = ChainScene(chain, key, confirmations=6)
    scene.ready(5 * TOKEN)
    scene.work()
    chain.mine(2)
    scene.later()
    assert scene.transactions()[0].block_number is not None
    # when three blocks, the transfer's own among them, give way to empty ones
    chain.rpc("anvil_reorg", 3, [])
    chain.rpc("anvil_dropAllTransactions")
    assert (scene.received(), scene.sent()) == (0, 0)
    # then it is sent again under its nonce, and paid at its depth
    assert scene.later() == {"submitted": 1}
    chain.mine(6)
    assert scene.later() == {"paid": 1}
    assert (scene.received(), scene.sent(), len(scene.transactions())) == (5 * TOKEN, 1, 1)


def test_the_block_of_a_receipt_is_forgotten_with_it(scene: ChainScene) -> None:
    scene.ready()
    scene.work()
    scene.later()
    scene.chain.automine(False)
    scene.chain.rpc("anvil_reorg", 1, [])
    scene.later()
    assert [(one.block_number, one.block_hash) for one in scene.transactions()] == [(None, "")]


# Final without success


def test_a_transfer_that_the_contract_reverted_fails_at_its_depth_only(scene: ChainScene) -> None:
    # given a transfer that was fine when it was signed, and a token that is paused in the block before it
    in_mempool(scene)
    fee = {"maxFeePerGas": hex(10**12), "maxPriorityFeePerGas": hex(10**11), "gas": hex(100_000)}
    scene.chain.rpc("eth_sendTransaction", scene.chain.pause_call(scene.token, True) | fee)
    scene.chain.mine()
    assert scene.later() == {"submitted": 1}
    scene.chain.mine(DEPTH)
    assert scene.later() == {"failed": 1}
    assert (scene.state(), scene.transfers()[0].outcome) == (("failed", "failed", "reverted"), "reverted")
    assert (scene.received(), scene.sent()) == (0, 1)


def test_a_nonce_that_somebody_else_used_is_held_for_a_person(
    scene: ChainScene, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.ready()
    with monkeypatch.context() as silent, pytest.raises(Crash):
        silent.setattr(evm_chain, "broadcast", crash)
        scene.work()
    other: dict[str, Any] = {"nonce": 0, "to": scene.wallet, "value": 0, "gas": 21000, "chainId": CHAIN_ID}
    other |= {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 1, "type": 2}
    scene.chain.rpc(
        "eth_sendRawTransaction",
        f"0x{account_library().from_key(key).sign_transaction(other).raw_transaction.hex()}",
    )
    scene.chain.mine(DEPTH)
    assert scene.later() == {"held": 1}
    assert (scene.payout().hold_code, scene.transfers()[0].outcome) == ("provider_needs_person", "superseded")


def test_what_is_held_is_not_pushed_towards_the_chain(scene: ChainScene) -> None:
    in_mempool(scene)
    scene.sql("UPDATE payouts_payout SET status = 'held', hold_code = 'test'")
    scene.chain.rpc("anvil_dropAllTransactions")
    with scene.working():
        custody_in_use("evm").find_by_external_id(scene.attempts()[0].external_id, decimals=18)
    scene.chain.mine()
    assert scene.sent() == 0


# The provider of an attempt


def test_an_attempt_keeps_the_provider_that_it_was_made_for(scene: ChainScene) -> None:
    scene.ready(5 * TOKEN)
    scene.work()
    with in_site(scene.site):
        Asset.objects.filter(id=scene.asset.id).update(custody_provider="fireblocks")
    scene.chain.mine(DEPTH)
    assert scene.later() == {"paid": 1}


def test_a_provider_changed_after_the_approval_sends_nothing(scene: ChainScene) -> None:
    scene.ready()
    with in_site(scene.site):
        Asset.objects.filter(id=scene.asset.id).update(custody_provider="fireblocks")
    assert scene.work() == {"failed": 1}
    assert scene.attempts()[0].error_code == "rejected:plan_changed"
