"""What is found before a nonce is taken: the wrong chain, token, wallet or decimals, and what a wallet lacks."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from django.db import IntegrityError

from config.parsers import Hidden
from devstack.chain.node import LocalChain
from tests.payouts.evm.chain_scene import DEPTH, ChainScene, planted_key
from tests.payouts.scenes import TOKEN


def waits(scene: ChainScene, code: str) -> None:
    """The payout waits for ``code`` and no nonce was taken."""
    assert scene.work() == {"submitting": 1}
    assert (scene.state(), scene.transfers()) == (("submitting", "open", code), [])


def refused(scene: ChainScene, code: str) -> None:
    """The payout failed by ``code`` and no nonce was taken."""
    assert scene.work() == {"failed": 1}
    assert (scene.attempts()[0].error_code, scene.transfers()) == (f"rejected:{code}", [])


def test_decimals_that_are_not_the_contract_s_are_refused(
    chain: LocalChain, key: str, database: None, bells_lost: None
) -> None:
    scene = ChainScene(chain, key, contract_decimals=6)
    scene.ready()
    refused(scene, "evm_decimals_differ")
    assert scene.tokens() == []


def test_decimals_are_asked_for_once_and_pinned(scene: ChainScene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.ready()
    scene.work()
    assert [(one.contract_address, one.decimals) for one in scene.tokens()] == [(scene.token, 18)]
    monkeypatch.setattr("apps.payouts.custody.evm.chain.token_decimals", lambda *_args: 6)
    scene.ready()
    assert scene.work() == {"submitted": 1}


def test_an_address_without_a_contract_is_no_token(
    chain: LocalChain, key: str, database: None, bells_lost: None
) -> None:
    scene = ChainScene(chain, key, contract_address=f"0x{secrets.token_hex(20)}")
    scene.ready()
    refused(scene, "evm_not_a_token")


def test_a_node_of_another_chain_is_not_used(
    chain: LocalChain, key: str, settings: Any, database: None, bells_lost: None
) -> None:
    settings.EVM_RPC_URLS = Hidden({"1": chain.url})
    scene = ChainScene(chain, key, chain_id=1)
    scene.ready()
    waits(scene, "evm_wrong_chain")


def test_a_chain_without_a_node_waits(scene: ChainScene, settings: Any) -> None:
    settings.EVM_RPC_URLS = Hidden()
    scene.ready()
    waits(scene, "evm_rpc_missing")


def test_a_node_that_is_away_waits(scene: ChainScene, settings: Any) -> None:
    settings.EVM_RPC_URLS = Hidden({"31337": "http://127.0.0.1:9/secret-path"})
    scene.ready()
    waits(scene, "evm_node_unreachable")


def test_a_site_without_a_key_waits_until_it_has_one(scene: ChainScene, settings: Any, key: str) -> None:
    settings.EVM_KEYS = Hidden({"ASIA": key})
    scene.ready()
    waits(scene, "evm_key_missing")
    settings.EVM_KEYS = Hidden({"NA": key})
    assert scene.later() == {"submitted": 1}


def test_the_key_of_another_wallet_than_the_approved_one_signs_nothing(
    scene: ChainScene, settings: Any
) -> None:
    settings.EVM_KEYS = Hidden({"NA": planted_key()})
    scene.ready()
    waits(scene, "evm_wrong_wallet")


def test_too_few_tokens_wait_and_are_sent_when_they_came(scene: ChainScene) -> None:
    scene.ready(1001 * TOKEN)
    waits(scene, "insufficient_funds")
    scene.chain.give_tokens(scene.token, scene.wallet, TOKEN)
    assert scene.later() == {"submitted": 1}
    scene.chain.mine(DEPTH)
    assert scene.later() == {"paid": 1}
    assert scene.received() == 1001 * TOKEN


def test_tokens_on_their_way_are_not_promised_twice(scene: ChainScene) -> None:
    scene.chain.automine(False)
    scene.ready(600 * TOKEN, 600 * TOKEN)
    assert scene.work() == {"submitted": 1, "submitting": 1}
    assert [transfer.nonce for transfer in scene.transfers()] == [0]
    assert "insufficient_funds" in [attempt.error_code for attempt in scene.attempts()]


def test_too_little_gas_waits(scene: ChainScene) -> None:
    scene.chain.give_coins(scene.wallet, 1000)
    scene.ready()
    waits(scene, "insufficient_gas")


def test_a_transfer_that_the_contract_would_refuse_is_not_signed(scene: ChainScene) -> None:
    scene.chain.rpc("eth_sendTransaction", scene.chain.pause_call(scene.token, True))
    scene.ready()
    refused(scene, "evm_call_reverts")


# What the database refuses


def refused_by(scene: ChainScene, statement: str) -> str:
    with pytest.raises(IntegrityError) as refusal:
        scene.sql(statement)
    return str(refusal.value.__cause__.diag.constraint_name)  # type: ignore[union-attr]


RULES = {
    "payoutattempt_fails_unsigned": "UPDATE payouts_payoutattempt SET status = 'failed'",
    "payoutattempt_frozen": "UPDATE payouts_payoutattempt SET custody_provider = 'fireblocks'",
    "evmtransfer_frozen": "UPDATE payouts_evmtransfer SET nonce = nonce + 1",
    "evmtransaction_frozen": "UPDATE payouts_evmtransaction SET raw = '0x'",
    "hotwallet_nonce_never_falls": "UPDATE payouts_hotwallet SET next_nonce = 0",
    "evmtransaction_block_whole": "UPDATE payouts_evmtransaction SET block_number = 1, block_hash = ''",
}


@pytest.mark.parametrize("rule", RULES)
def test_what_was_signed_cannot_be_written_away(scene: ChainScene, rule: str) -> None:
    scene.ready()
    scene.work()
    assert refused_by(scene, RULES[rule]) == rule


def test_nothing_is_signed_for_an_attempt_that_is_over(scene: ChainScene) -> None:
    in_work = "INSERT INTO payouts_evmtransfer SELECT (jsonb_populate_record(t, jsonb_build_object("
    again = "'id', gen_random_uuid(), 'nonce', 9))).* FROM payouts_evmtransfer t"
    scene.ready()
    scene.work()
    scene.chain.mine(DEPTH)
    scene.later()
    assert refused_by(scene, in_work + again) == "evmtransfer_attempt_open"
