"""What a change of address does to payouts, and what payouts do to it, in every order."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from django.db import IntegrityError

from apps.accounts.models import Membership, Wallet, WalletChange
from apps.accounts.wallet_changes import change_stop, changes_do_due
from apps.core.problems import Problem
from apps.payouts.batches import batch_approve
from apps.payouts.leases import lease_due
from apps.payouts.models import Payout, PayoutBatch
from apps.vesting.payout_link import payout_batch_request
from tests.accounts.test_wallet_changes import end_cooling_off
from tests.databases import connect_as_superuser
from tests.factories import in_site, make_change, make_proof
from tests.orders.scene import wait_for_blocked
from tests.payouts.scenes import TOKEN, Scene, Thread, wait_until_blocked

pytestmark = pytest.mark.usefixtures("database", "bells_lost")


class Moving(Scene):
    """A beneficiary with one unlocked release, and a change of their address whose cooling-off has ended."""

    def __init__(self, admin_connection: Any, **site: Any) -> None:
        super().__init__(**site)
        self.holder: Membership = self.buyer()
        self.releases_ids = self.unlocked(self.holder, 5 * TOKEN)
        with in_site(self.site):
            self.old: Wallet = Wallet.objects.select_related("member__site").get()
        self.change: WalletChange = make_change(self.old)
        end_cooling_off(admin_connection, self.change.id)

    def request(self) -> PayoutBatch:
        with self.working():
            return payout_batch_request(asset_id=self.asset.id, requested_by_id=self.operator.id)

    def approve(self, batch: PayoutBatch) -> None:
        with self.working():
            batch_approve(batch_id=batch.id, plan_sha256=batch.plan_sha256, approved_by_id=self.approver.id)

    def move(self) -> int:
        with self.working():
            return changes_do_due(10)

    def lease(self) -> Any:
        with self.working():
            return lease_due()

    def stop(self) -> str:
        with self.working():
            return str(change_stop(change_id=self.change.id, by_member_id=self.holder.id, reason="no").status)

    def status(self) -> str:
        with in_site(self.site):
            return WalletChange.objects.get().status

    def active(self) -> list[str]:
        with in_site(self.site):
            return list(Wallet.objects.filter(is_active=True).values_list("address", flat=True))

    def release_states(self) -> list[tuple[str, UUID | None]]:
        return [(release.status, release.payout_id) for release in self.releases()]


class Held:
    """Somebody else holds rows, so that whoever needs them queues behind in the order of coming."""

    def __init__(self, url: str, statement: str, row_id: object) -> None:
        self._connection = psycopg2.connect(url)
        with self._connection.cursor() as cursor:
            cursor.execute(statement, [str(row_id)])

    def let_go(self) -> None:
        self._connection.rollback()
        self._connection.close()


@pytest.fixture
def hold(admin_connection: Any) -> Any:
    import os

    made: list[Held] = []

    def take(table: str, row_id: object) -> Held:
        statement = f"SELECT 1 FROM {table} WHERE id = %s FOR UPDATE"
        made.append(Held(os.environ["DATABASE_URL"], statement, row_id))
        return made[-1]

    return take


@pytest.mark.parametrize("approved", [False, True])
def test_a_payout_that_was_not_sent_is_taken_back_and_follows(admin_connection: Any, approved: bool) -> None:
    moving = Moving(admin_connection)
    batch = moving.request()
    if approved:
        moving.approve(batch)

    assert moving.move() == 1

    assert [payout.status for payout in moving.payouts()] == ["cancelled"]
    assert moving.release_states() == [("unlocked", None)]
    again = moving.request()
    assert [payout.to_address for payout in moving.payouts(again.id)] == [moving.change.new_address]


def test_a_batch_of_which_a_payout_was_taken_back_can_still_be_approved(admin_connection: Any) -> None:
    moving = Moving(admin_connection)
    other = moving.buyer()
    moving.unlocked(other, 3 * TOKEN)
    batch = moving.request()
    moving.move()

    moving.approve(batch)

    assert sorted(payout.status for payout in moving.payouts()) == ["cancelled", "ready"]


def test_a_payout_that_is_being_sent_keeps_its_address(admin_connection: Any) -> None:
    moving = Moving(admin_connection)
    moving.approve(moving.request())
    leased = moving.lease()

    assert moving.move() == 1

    [payout] = moving.payouts()
    assert (payout.status, payout.to_address) == ("submitting", moving.old.address)
    assert leased.to_address == moving.old.address
    assert moving.active() == [moving.change.new_address]
    assert moving.release_states() == [("processing", payout.id)]


@pytest.mark.parametrize("status", ["awaiting_approval", "submitting"])
def test_no_payout_changes_its_address_also_in_sql(admin_connection: Any, status: str) -> None:
    moving = Moving(admin_connection)
    batch = moving.request()
    if status == "submitting":
        moving.approve(batch)
        moving.lease()
    with pytest.raises(IntegrityError, match="to_address"):
        moving.sql("UPDATE payouts_payout SET to_address = %s", moving.change.new_address)
    assert [(payout.status, payout.to_address) for payout in moving.payouts()] == [
        (status, moving.old.address)
    ]


def test_a_worker_that_comes_first_keeps_the_payout(admin_connection: Any, hold: Any) -> None:
    """Race: the change waits for a payout that a worker is just taking, and then leaves it alone."""
    moving = Moving(admin_connection)
    moving.approve(moving.request())
    [payout] = moving.payouts()
    worker = connect_as_superuser_in_transaction()
    with worker.cursor() as cursor:
        cursor.execute("SELECT 1 FROM payouts_payout WHERE id = %s FOR UPDATE", [str(payout.id)])
        moved = Thread(moving.move)
        wait_until_blocked(admin_connection)
        cursor.execute(
            "UPDATE payouts_payout SET status = 'submitting', lease_until = now() + interval '15 s' WHERE id = %s",
            [str(payout.id)],
        )
    worker.commit()
    worker.close()

    assert moved.outcome() == 1
    assert [one.status for one in moving.payouts()] == ["submitting"]
    assert moving.active() == [moving.change.new_address]


def test_a_worker_that_comes_second_finds_nothing(admin_connection: Any, hold: Any) -> None:
    """Race: while the change has the payout, a worker passes it by; afterwards it is cancelled."""
    moving = Moving(admin_connection)
    moving.approve(moving.request())
    held = hold("vesting_release", moving.releases_ids[0])
    moved = Thread(moving.move)
    wait_until_blocked(admin_connection)

    assert moving.lease() is None

    held.let_go()
    assert moved.outcome() == 1
    assert [payout.status for payout in moving.payouts()] == ["cancelled"]
    assert moving.lease() is None


def test_a_batch_asked_for_while_the_address_changes_pays_the_new_one(admin_connection: Any) -> None:
    """Race: the batch has read who is to be paid, and waits for the wallet that is just being left."""
    moving = Moving(admin_connection)
    changing = connect_as_superuser_in_transaction()
    with changing.cursor() as cursor:
        cursor.execute("SELECT 1 FROM accounts_wallet WHERE id = %s FOR UPDATE", [str(moving.old.id)])
        moved = Thread(moving.move)
        wait_until_blocked(admin_connection)
        asked = Thread(moving.request)
        wait_for_blocked(admin_connection, 2)
    changing.rollback()
    changing.close()
    assert moved.outcome() == 1
    batch = asked.outcome()

    open_now = [payout for payout in moving.payouts() if payout.status != "cancelled"]
    if not open_now:  # the batch got the wallet first, and was taken back by the change
        batch = moving.request()
        open_now = moving.payouts(batch.id)
    assert [payout.to_address for payout in open_now] == [moving.change.new_address]


def test_control_without_holding_the_wallet_the_old_address_is_paid(
    admin_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: who only reads the address before the change, and writes after it, pays the old one."""
    moving = Moving(admin_connection)
    read, changed = threading.Event(), threading.Event()

    def only_read(*, member_ids: Any) -> dict[UUID, str]:
        found = dict(Wallet.objects.filter(is_active=True).values_list("member_id", "address"))
        read.set()
        assert changed.wait(10)
        return found

    monkeypatch.setattr("apps.vesting.payout_link.active_addresses", only_read)
    asked = Thread(moving.request)
    assert read.wait(10)
    moving.move()
    changed.set()
    batch = asked.outcome()

    assert [payout.to_address for payout in moving.payouts(batch.id)] == [moving.old.address]


def test_a_stop_and_the_end_of_the_cooling_off_at_once(admin_connection: Any, hold: Any) -> None:
    """Race: exactly one of them happens, and the wallet is what it says."""
    moving = Moving(admin_connection)
    held = hold("accounts_walletchange", moving.change.id)
    stopped = Thread(moving.stop)
    wait_until_blocked(admin_connection)
    assert moving.move() == 0  # it passes a change by that somebody holds
    held.let_go()

    assert stopped.outcome() == "stopped"
    assert moving.move() == 0
    assert moving.active() == [moving.old.address]


def test_a_stop_that_comes_during_the_change_is_too_late(admin_connection: Any, hold: Any) -> None:
    moving = Moving(admin_connection)
    held = hold("accounts_wallet", moving.old.id)
    moved = Thread(moving.move)
    wait_until_blocked(admin_connection)
    stopped = Thread(moving.stop)
    wait_for_blocked(admin_connection, 2)
    held.let_go()

    assert moved.outcome() == 1
    with pytest.raises(Problem) as refusal:
        stopped.outcome()
    assert refusal.value.code == "wallet_change_decided"
    assert (moving.status(), moving.active()) == ("done", [moving.change.new_address])


def test_two_workers_do_one_change_once(admin_connection: Any, hold: Any) -> None:
    moving = Moving(admin_connection)
    held = hold("accounts_wallet", moving.old.id)
    first = Thread(moving.move)
    wait_until_blocked(admin_connection)
    assert moving.move() == 0
    held.let_go()
    assert first.outcome() == 1
    with in_site(moving.site):
        assert Wallet.objects.count() == 2


def test_a_site_may_want_proofs_before_it_pays() -> None:
    scene = Scene(wallet_proof_required=True)
    holder = scene.buyer()
    release_ids = scene.unlocked(holder, TOKEN)

    with scene.working(), pytest.raises(Problem) as refusal:
        payout_batch_request(
            asset_id=scene.asset.id, requested_by_id=scene.operator.id, release_ids=release_ids
        )
    assert refusal.value.code == "wallet_unproved"
    with scene.working(), pytest.raises(Problem, match="nothing_payable"):
        payout_batch_request(asset_id=scene.asset.id, requested_by_id=scene.operator.id)

    with in_site(scene.site):
        address = Wallet.objects.get().address
    make_proof(holder, "own", address)
    with scene.working():
        payout_batch_request(asset_id=scene.asset.id, requested_by_id=scene.operator.id)
    assert scene.payout().to_address == address


@pytest.mark.parametrize(("chain_id", "code"), [(1, None), (56, "wallet_unproved")])
def test_a_contract_is_paid_on_the_chain_on_which_it_signed(chain_id: int, code: str | None) -> None:
    scene = Scene()
    holder = scene.buyer()
    release_ids = scene.unlocked(holder, TOKEN)
    with in_site(scene.site):
        address = Wallet.objects.get().address
    make_proof(holder, "own", address, method="eip1271", chain_id=chain_id)
    said = None
    try:
        with scene.working():
            payout_batch_request(
                asset_id=scene.asset.id, requested_by_id=scene.operator.id, release_ids=release_ids
            )
    except Problem as refusal:
        said = refusal.code
    assert said == code
    with in_site(scene.site):
        assert Payout.objects.count() == (code is None)


def connect_as_superuser_in_transaction() -> Any:
    import os

    connection = connect_as_superuser(os.environ["DATABASE_URL"])
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('app.actor_kind', 'task', true), set_config('app.actor_id', 'test', true)"
        )
    return connection
