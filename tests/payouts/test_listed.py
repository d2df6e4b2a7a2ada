"""Settling from the provider's list: many by one call, and nobody by another's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from apps.core.context import acting_as
from apps.core.remote import RemoteInsideTransaction
from apps.payouts.custody.choice import fireblocks_in_use
from apps.payouts.leases import lease_one, lease_read
from apps.payouts.listed import SENT
from apps.payouts.sweep import payouts_sweep
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.factories import in_site, make_address
from tests.payouts.scenes import Scene, order_fault
from tests.payouts.stuck_scene import StuckScene, operations

pytestmark = pytest.mark.usefixtures("database", "bells_lost")


@pytest.fixture(autouse=True)
def _a_worker() -> Iterator[None]:
    with acting_as("task", "test"):
        yield


def due_of(scene: Scene) -> dict[Any, Any]:
    return {payout.id: payout.next_attempt_at for payout in scene.payouts()}


def test_one_call_settles_many(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = StuckScene("NA", 60)
    scene.planted(fireblocks_sandbox)
    assert payouts_sweep().outcomes == {"paid": 60}
    assert set(scene.statuses()) == {"paid"}
    assert operations(fireblocks_sandbox) == ["list"]


@pytest.mark.parametrize(
    ("told", "hold_code"),
    [
        ({"amount": "2"}, "amount_differs"),
        ({"amount": "1.000000000000000001"}, "amount_differs"),
        ({"address": make_address()}, "address_differs"),
    ],
)
def test_a_listed_transaction_that_differs_is_held(
    fireblocks_sandbox: FireblocksSandbox, told: dict[str, str], hold_code: str
) -> None:
    scene = StuckScene("NA", 6)
    scene.planted(fireblocks_sandbox, **told)
    assert payouts_sweep().outcomes == {"paid": 5, "held": 1}
    [held] = [payout for payout in scene.payouts() if payout.status == "held"]
    assert (held.id, held.hold_code, held.tx_hash) == (scene.sent[0].payout_id, hold_code, "")
    assert operations(fireblocks_sandbox) == ["list"]


@pytest.mark.parametrize("told", [{"externalTxId": "POSX-somebody"}, {"assetId": "ETH_TEST"}, {"vault": "7"}])
def test_what_the_list_does_not_prove_is_asked_for_by_itself(
    fireblocks_sandbox: FireblocksSandbox, told: dict[str, str]
) -> None:
    scene = StuckScene("NA", 6)
    scene.planted(fireblocks_sandbox, **told)
    outcomes = payouts_sweep().outcomes
    assert outcomes["paid"] >= 5
    assert operations(fireblocks_sandbox) == ["list", "by_external_id"]


def test_a_transaction_that_is_listed_twice_proves_nothing(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = StuckScene("NA", 6)
    scene.planted(fireblocks_sandbox)
    store, (first, second) = fireblocks_sandbox._store, scene.sent[:2]
    record = store.look_up("transaction", first.external_id)
    assert record is not None
    record["tx"]["externalTxId"] = second.external_id
    store.save("transaction", record["tx"]["id"], record)
    outcomes = payouts_sweep().outcomes
    # The first one's answer is another's: it waits, unsettled.
    assert outcomes == {"paid": 5, "submitted": 1}
    assert operations(fireblocks_sandbox) == ["list", "by_external_id", "by_external_id"]


def test_a_few_are_asked_for_by_themselves(fireblocks_sandbox: FireblocksSandbox) -> None:
    StuckScene("NA", 4).planted(fireblocks_sandbox)
    assert payouts_sweep().outcomes == {"paid": 4}
    assert operations(fireblocks_sandbox) == ["by_external_id"] * 4


def test_a_list_that_cannot_be_had_keeps_nobody(fireblocks_sandbox: FireblocksSandbox) -> None:
    StuckScene("NA", 6).planted(fireblocks_sandbox)
    order_fault(fireblocks_sandbox, operation="transactions.list", fault="error_500_before")
    assert payouts_sweep().outcomes == {"paid": 6}
    assert operations(fireblocks_sandbox) == ["list"] + ["by_external_id"] * 6


def test_a_payout_that_was_rung_for_since_it_was_read_is_left_alone(
    fireblocks_sandbox: FireblocksSandbox,
) -> None:
    scene = StuckScene("NA", 2)
    rung, quiet = (attempt.payout_id for attempt in scene.sent)
    read = due_of(scene) | {rung: timezone.now()}
    with scene.working():
        assert [leased.payout_id for leased in lease_read(read, SENT)] == [quiet]


def test_a_payout_in_somebodys_hands_is_left_alone(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = StuckScene("NA", 1)
    read = due_of(scene)
    with scene.working():
        assert lease_one(scene.payout().id) is not None
        assert lease_read(read | due_of(scene), SENT) == []


def test_two_sites_that_share_a_vault_settle_their_own(fireblocks_sandbox: FireblocksSandbox) -> None:
    scenes = [StuckScene(code, 6) for code in ("NA", "ASIA")]
    for scene in scenes:
        scene.planted(fireblocks_sandbox)
    assert payouts_sweep().outcomes == {"paid": 12}
    hashes = Counter(payout.tx_hash for scene in scenes for payout in scene.payouts())
    assert len(hashes) == 12
    for scene in scenes:
        ours = {attempt.external_id for attempt in scene.sent}
        assert {attempt.external_id for attempt in scene.attempts() if attempt.tx_hash} == ours


def test_the_list_is_read_in_no_transaction(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = Scene()
    with in_site(scene.site), pytest.raises(RemoteInsideTransaction):
        fireblocks_in_use().list_sent(created_from=timezone.now(), asset_id="POSX_TEST", vault_id="0")
    assert operations(fireblocks_sandbox) == []
