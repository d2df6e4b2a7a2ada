"""A held direct transfer that two people release back: paid again once, never while the first may be mined."""

from __future__ import annotations

from typing import Any

import pytest

from apps.payouts.batches import batch_approve
from apps.payouts.custody.evm import chain as evm_chain
from apps.payouts.custody.evm.account_library import account_library
from apps.payouts.leases import lease_one
from apps.payouts.models import PayoutStatus
from apps.payouts.resolution_models import PayoutResolution
from apps.payouts.resolutions import resolution_approve, resolution_ask
from apps.payouts.settlement import Verdict, write
from apps.vesting.payout_link import payout_batch_request
from devstack.chain.node import CHAIN_ID
from tests.factories import in_site
from tests.payouts.evm.chain_scene import DEPTH, ChainScene
from tests.payouts.evm.test_transfers import Crash, crash
from tests.payouts.scenes import TOKEN

OWED = 5 * TOKEN


def pay(scene: ChainScene) -> None:
    """What is unlocked, requested by one person and approved by another."""
    with scene.working():
        batch = payout_batch_request(asset_id=scene.asset.id, requested_by_id=scene.operator.id)
        batch_approve(batch_id=batch.id, plan_sha256=batch.plan_sha256, approved_by_id=scene.approver.id)


def release_back(scene: ChainScene) -> tuple[str, str]:
    """Asked for and approved about what is held, and a worker's look; the resolution's state and result."""
    [payout] = [each for each in scene.payouts() if each.status == "held"]
    with scene.working():
        asked = resolution_ask(
            payout_id=payout.id, action="release", note="not sent", asked_by_id=scene.operator.id
        )
        resolution_approve(resolution_id=asked.id, decided_by_id=scene.approver.id, note="seen too")
    scene.later()
    with in_site(scene.site):
        newest = PayoutResolution.objects.order_by("-id")[0]
    return newest.state, newest.result


def use_the_nonce(scene: ChainScene, key: str) -> None:
    """Somebody who has the key mines another transaction under the nonce 0."""
    other: dict[str, Any] = {"nonce": 0, "to": scene.wallet, "value": 0, "gas": 21000, "chainId": CHAIN_ID}
    other |= {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 1, "type": 2}
    signed = account_library().from_key(key).sign_transaction(other)
    scene.chain.rpc("eth_sendRawTransaction", f"0x{signed.raw_transaction.hex()}")


def owed_and_signed(scene: ChainScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of a release, signed for and, as the process ended there, not broadcast."""
    scene.unlocked(scene.buyer(), OWED)
    pay(scene)
    with monkeypatch.context() as silent, pytest.raises(Crash):
        silent.setattr(evm_chain, "broadcast", crash)
        scene.work()


def held_in_mempool(scene: ChainScene) -> None:
    """Sent, not mined, and held."""
    scene.chain.automine(False)
    scene.unlocked(scene.buyer(), OWED)
    pay(scene)
    assert scene.work() == {"submitted": 1}
    hold(scene, "transfer_missing")


def hold(scene: ChainScene, hold_code: str) -> None:
    """As a worker does."""
    with scene.working():
        leased = lease_one(scene.payout().id)
        assert leased is not None
        write(leased, Verdict(PayoutStatus.HELD, hold_code=hold_code), wait_s=None)


def test_what_can_never_be_mined_is_released_back_and_paid_again_once(
    scene: ChainScene, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a signed transfer whose nonce another transaction has used up, at depth
    owed_and_signed(scene, monkeypatch)
    use_the_nonce(scene, key)
    scene.chain.mine(DEPTH)
    assert scene.later() == {"held": 1}
    # when two people release it back
    assert release_back(scene) == ("done", "failed")
    assert [each.status for each in scene.releases()] == ["unlocked"]
    # then it is paid by another batch, and what was signed first comes too late for ever
    pay(scene)
    assert scene.work() == {"submitted": 1}
    with pytest.raises(Exception, match="nonce too low"):
        scene.chain.rpc("eth_sendRawTransaction", scene.transactions()[0].raw)
    scene.chain.mine(DEPTH)
    assert scene.later() == {"paid": 1}
    assert scene.later() == {}
    assert [each.status for each in scene.releases()] == ["released"]
    assert (scene.received(scene.payouts()[-1]), scene.sent()) == (OWED, 2)


def assert_paid_once(scene: ChainScene) -> None:
    """By the first transaction, with nothing left that could be paid again."""
    assert [each.status for each in scene.releases()] == ["released"]
    assert (scene.payout().status, scene.payout().tx_hash) == ("paid", scene.transactions()[0].tx_hash)
    assert (scene.received(), scene.sent()) == (OWED, 1)


def test_what_waits_to_be_mined_is_not_released_back_and_pays_once(scene: ChainScene) -> None:
    held_in_mempool(scene)
    assert release_back(scene) == ("overtaken", "submitted")
    assert [each.status for each in scene.releases()] == ["processing"]
    scene.chain.mine(DEPTH)
    assert scene.later() == {"paid": 1}
    assert_paid_once(scene)


def test_what_shows_up_on_chain_before_the_look_is_not_released_back(scene: ChainScene) -> None:
    held_in_mempool(scene)
    scene.chain.mine(DEPTH)
    assert release_back(scene) == ("overtaken", "paid")
    assert_paid_once(scene)


def test_a_node_that_forgot_the_transaction_is_no_proof(scene: ChainScene) -> None:
    held_in_mempool(scene)
    scene.chain.rpc("anvil_dropAllTransactions")
    scene.chain.mine(DEPTH)
    assert release_back(scene) == ("overtaken", "submitted")
    # whoever has the raw transaction may still send it; we do
    assert scene.later() == {"submitted": 1}
    scene.chain.mine(DEPTH)
    assert scene.later() == {"paid": 1}
    assert_paid_once(scene)


def test_a_replacement_that_a_reorganisation_may_take_back_is_no_proof(
    scene: ChainScene, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a nonce that another transaction has used, not yet at depth, and a payout held meanwhile
    owed_and_signed(scene, monkeypatch)
    use_the_nonce(scene, key)
    scene.make_due()
    hold(scene, "provider_needs_person")
    assert release_back(scene) == ("overtaken", "submitted")
    # when the block is taken back and the first transaction is mined instead
    scene.chain.rpc("anvil_reorg", 1, [])
    scene.chain.rpc("anvil_dropAllTransactions")
    scene.chain.rpc("eth_sendRawTransaction", scene.transactions()[0].raw)
    scene.chain.mine(DEPTH)
    # then it is what was paid
    assert scene.later() == {"paid": 1}
    assert_paid_once(scene)
