"""Fireblocks against our payouts: one base unit on either side names the payout, and so does what only one has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.core.context import acting_as
from apps.operations.models import Difference
from apps.operations.threeway.custody_side import custody_look
from apps.operations.threeway.steps import differences_round
from apps.payouts.custody import fireblocks
from apps.payouts.custody.base import TransferRequest
from apps.payouts.custody.choice import fireblocks_in_use
from apps.payouts.submission import payouts_round
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.factories import in_site, make_address
from tests.operations.threeway.test_stripe_side import alter
from tests.payouts.scenes import TOKEN, Scene, wait_for_status

AMOUNT = 5 * TOKEN


@pytest.fixture
def scene(database: None, fireblocks_sandbox: FireblocksSandbox, bells_lost: None) -> Iterator[Scene]:
    """One payout of 5 tokens, sent and paid."""
    scene = Scene()
    scene.ready(AMOUNT)
    with acting_as("task", "test"):
        pay_out(scene, fireblocks_sandbox)
        yield scene


def pay_out(scene: Scene, sandbox: FireblocksSandbox) -> None:
    with scene.working():
        payouts_round(20)
    wait_for_status(sandbox, "COMPLETED")
    scene.make_due()
    with scene.working():
        payouts_round(20)
    assert {payout.status for payout in scene.payouts()} == {"paid"}


def look(since: timedelta = timedelta(hours=2)) -> None:
    now = datetime.now(UTC)
    custody_look(now - since, now + timedelta(minutes=1))


def rows(scene: Scene) -> list[Difference]:
    with in_site(scene.site):
        return list(Difference.objects.order_by("id"))


def falsify(sandbox: FireblocksSandbox, **change: Any) -> None:
    """What the provider says of its one transaction changes, behind everybody's back."""
    store = sandbox._store
    [record] = store.newest("transaction")
    record = json.loads(json.dumps(record))
    record["tx"] |= change
    store.save("transaction", record["tx"]["id"], record)


def send_by_hand(scene: Scene, external_id: str, amount_base_units: int = 1) -> str:
    """Somebody sends from the site's vault in the provider's own console."""
    return fireblocks_in_use().submit(
        TransferRequest(
            external_id=external_id,
            asset_id=scene.asset.custody_asset_id,
            decimals=18,
            vault_account_id="0",
            to_address=make_address(),
            amount_base_units=amount_base_units,
        )
    )


def test_nothing_differs_when_a_payout_was_paid(scene: Scene) -> None:
    look()
    assert rows(scene) == []


def test_one_base_unit_at_the_provider_names_the_payout(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    falsify(fireblocks_sandbox, amountInfo={"amount": "5.000000000000000001"})
    look()
    [row] = rows(scene)
    assert (row.kind, row.expected, row.found) == ("transfer_amount", str(AMOUNT), str(AMOUNT + 1))
    assert row.row_id == scene.payout().id


def test_one_base_unit_in_our_row_names_the_payout(scene: Scene, admin_connection: Any) -> None:
    alter(admin_connection, "UPDATE payouts_payout SET amount_base_units = amount_base_units - 1")
    look()
    [row] = rows(scene)
    assert (row.kind, row.expected, row.found) == ("transfer_amount", str(AMOUNT - 1), str(AMOUNT))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"destinationAddress": "0x" + "ab" * 20}, "transfer_address"),
        ({"txHash": "0x" + "cd" * 32}, "transfer_hash"),
        ({"status": "FAILED"}, "transfer_missing"),
    ],
)
def test_another_address_hash_or_end_names_the_payout(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox, change: dict[str, Any], kind: str
) -> None:
    falsify(fireblocks_sandbox, **change)
    look()
    assert [(row.kind, row.row_id) for row in rows(scene)] == [(kind, scene.payout().id)]


def test_a_transfer_that_nobody_ordered_here(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    transfer_id = send_by_hand(scene, "by hand")
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    look()
    look()
    [row] = rows(scene)
    assert (row.kind, row.object_id, row.expected) == ("transfer_without_payout", transfer_id, "nothing")
    assert row.found.startswith("1 to 0x")


def test_a_payout_that_the_provider_never_sent(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox, admin_connection: Any
) -> None:
    alter(admin_connection, "UPDATE payouts_payoutattempt SET external_id = external_id || '0'")
    look()
    found = {row.kind for row in rows(scene)}
    assert found == {"transfer_missing", "transfer_without_payout"}


def test_a_payout_settled_long_after_it_was_sent_is_asked_for_alone(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    falsify(fireblocks_sandbox, amountInfo={"amount": "4"}, createdAt=1)
    look(timedelta(minutes=5))
    assert [row.kind for row in rows(scene)] == ["transfer_amount"]


def test_gone_it_is_closed_by_the_next_look(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    falsify(fireblocks_sandbox, amountInfo={"amount": "4"})
    look()
    falsify(fireblocks_sandbox, amountInfo={"amount": "5"})
    with in_site(scene.site):
        Difference.objects.update(next_check_at=datetime.now(UTC))
    with scene.working():
        assert differences_round() == 1
    [row] = rows(scene)
    assert row.closed_at is not None


def test_the_list_is_read_page_by_page_and_each_transfer_once(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {scene.attempts()[0].provider_transfer_id, *(send_by_hand(scene, f"x{n}") for n in range(7))}
    monkeypatch.setattr(fireblocks, "PAGE_SIZE", 3)
    now = datetime.now(UTC)
    pages = list(
        fireblocks_in_use().list_transfers(
            created_from=now - timedelta(hours=1), created_before=now + timedelta(minutes=1)
        )
    )
    listed = [one.provider_transfer_id for page in pages for one in page]
    assert len(pages) > 2 and len(listed) == len(set(listed)) and set(listed) == made
