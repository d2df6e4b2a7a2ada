"""A real chain against our payouts: one base unit on either side names its transaction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.core.context import acting_as
from apps.operations.models import CheckCursor, Difference
from apps.operations.threeway.custody_side import custody_look
from apps.operations.threeway.steps import differences_round, sides, step, walk
from apps.payouts.custody.evm.erc20 import transfer_call
from devstack.chain.node import LocalChain
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.factories import in_site, make_address
from tests.operations.threeway.test_stripe_side import alter
from tests.payouts.evm.chain_scene import DEPTH, ChainScene
from tests.payouts.scenes import TOKEN

AMOUNT = 5 * TOKEN


@pytest.fixture
def scene(
    database: None, bells_lost: None, fireblocks_sandbox: FireblocksSandbox, chain: LocalChain, key: str
) -> Iterator[ChainScene]:
    """One payout of 5 tokens, sent from the hot wallet and paid."""
    scene = ChainScene(chain, key)
    scene.ready(AMOUNT)
    with acting_as("task", "test"):
        scene.work()
        chain.mine(DEPTH)
        scene.later()
        assert scene.payout().status == "paid"
        yield scene


def look(scene: ChainScene) -> int:
    """Everything on chain from the first transfer on; how many transactions were compared."""
    scene.chain.mine(2 * DEPTH)
    compared = 0
    for side in sides():
        if side.source.startswith("evm:"):
            compared += sum(looked.compared for _at, looked in walk(side, side.start(), side.end()))
    return compared


def look_by_rows() -> None:
    """Every payout that our rows call paid."""
    now = datetime.now(UTC)
    custody_look(now - timedelta(hours=1), now + timedelta(minutes=1))


def rows(scene: ChainScene) -> list[Difference]:
    with in_site(scene.site):
        return list(Difference.objects.order_by("id"))


def taken_by_hand(scene: ChainScene, base_units: int) -> str:
    """Somebody who has the key sends tokens past us."""
    scene.chain.rpc("anvil_impersonateAccount", scene.wallet)
    call = {
        "from": scene.wallet,
        "to": scene.token,
        "gas": hex(200_000),
        "data": transfer_call(make_address(), base_units),
    }
    return str(scene.chain.rpc("eth_sendTransaction", call))


def test_nothing_differs_when_a_payout_was_paid(scene: ChainScene) -> None:
    assert look(scene) == 1
    assert rows(scene) == []


def test_one_base_unit_that_left_without_us_is_named_by_its_transaction(scene: ChainScene) -> None:
    tx_hash = taken_by_hand(scene, 1)
    look(scene)
    look(scene)
    [row] = rows(scene)
    assert (row.kind, row.object_id, row.expected) == ("transfer_without_payout", tx_hash, "nothing")
    assert row.found.startswith("1 to 0x")
    with in_site(scene.site):
        Difference.objects.update(next_check_at=datetime.now(UTC))
    with scene.working():
        assert differences_round() == 1
    assert rows(scene)[0].closed_at is None


def test_one_base_unit_in_our_row_names_the_payout(scene: ChainScene, admin_connection: Any) -> None:
    alter(admin_connection, "UPDATE payouts_payout SET amount_base_units = amount_base_units + 1")
    look(scene)
    [row] = rows(scene)
    assert (row.kind, row.expected, row.found) == ("transfer_amount", str(AMOUNT + 1), str(AMOUNT))
    assert row.row_id == scene.payout().id


def test_a_payout_whose_transaction_the_chain_does_not_have(scene: ChainScene, admin_connection: Any) -> None:
    never = "0x" + "ee" * 32
    alter(admin_connection, f"UPDATE payouts_payout SET tx_hash = '{never}'")
    look_by_rows()
    [row] = rows(scene)
    assert (row.kind, row.expected, row.row_id) == ("transfer_hash", never, scene.payout().id)
    alter(admin_connection, f"UPDATE payouts_evmtransaction SET tx_hash = '{never}'")
    look_by_rows()
    assert [(row.kind, row.row_id) for row in rows(scene) if row.closed_at is None] == [
        ("transfer_missing", scene.payout().id)
    ]


def test_both_directions_name_a_payout_once(scene: ChainScene, admin_connection: Any) -> None:
    alter(admin_connection, "UPDATE payouts_payout SET amount_base_units = amount_base_units + 1")
    look(scene)
    look_by_rows()
    assert len(rows(scene)) == 1


def test_the_cursor_goes_on_and_looks_at_nothing_twice(scene: ChainScene) -> None:
    scene.chain.mine(2 * DEPTH)
    [side] = [one for one in sides() if one.source.startswith("evm:")]
    first = step(side)
    assert first is not None and first.compared == 1
    tx_hash = taken_by_hand(scene, 1)
    scene.chain.mine(2 * DEPTH)
    CheckCursor.objects.update(next_at=datetime.now(UTC))
    second = step(side)
    assert second is not None and (second.compared, second.different) == (1, 1)
    assert [row.object_id for row in rows(scene)] == [tx_hash]
    assert step(side) is None


def test_a_node_that_is_away_moves_nothing_and_is_asked_again_later(scene: ChainScene, settings: Any) -> None:
    scene.chain.mine(2 * DEPTH)
    [side] = [one for one in sides() if one.source.startswith("evm:")]
    assert step(side) is not None
    before = CheckCursor.objects.get()
    CheckCursor.objects.update(next_at=datetime.now(UTC))
    settings.EVM_RPC_URLS = {"31337": "http://127.0.0.1:9"}
    assert step(side) is None
    after = CheckCursor.objects.get()
    assert (after.position, after.error_code) == (before.position, "evm_node_unreachable")
    assert after.next_at > datetime.now(UTC)
