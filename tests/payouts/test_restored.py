"""A database restored from before a payout was sent: it is never sent again, and comes to be paid.

Restoring is played by putting the rows of a moment back with rules off.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from django.core.management import call_command

from apps.core.context import acting_as
from apps.core.ids import uuid7, uuid7_following
from apps.payouts import leases, sweep
from apps.payouts.batches import batch_approve
from apps.payouts.fence import fence_closed_from
from apps.payouts.models import PayoutBatch
from apps.payouts.resolutions import resolution_approve, resolution_ask
from apps.payouts.sweep import payouts_sweep
from apps.vesting.payout_link import payout_batch_request
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.databases import rules_off
from tests.payouts.scenes import Scene, order_fault, transfers, wait_for_status

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
TABLES = (
    "payouts_payoutbatch",
    "payouts_payout",
    "payouts_payoutattempt",
    "vesting_release",
    "payouts_sendingfence",
)


@pytest.fixture(autouse=True)
def _a_worker() -> Iterator[None]:
    with acting_as("task", "test"):
        yield


class Backup:
    """The rows of now."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._rows = {table: BytesIO() for table in TABLES}
        with connection.cursor() as cursor:
            for table, rows in self._rows.items():
                cursor.copy_expert(f"COPY {table} TO STDOUT", rows)

    def restore(self) -> None:
        """An hour after it was made."""
        with rules_off(self._connection) as cursor:
            for table, rows in self._rows.items():
                rows.seek(0)
                cursor.execute(f"DELETE FROM {table}")
                cursor.copy_expert(f"COPY {table} FROM STDIN", rows)
            cursor.execute("UPDATE payouts_sendingfence SET alive_at = alive_at - interval '1 hour'")


class RestoredScene(Scene):
    """A buyer with an unlocked release of 5 tokens; rounds have begun."""

    def __init__(self, sandbox: FireblocksSandbox) -> None:
        super().__init__()
        self.sandbox = sandbox
        self.releases_made = self.unlocked(self.buyer(), 5 * 10**18)
        payouts_sweep()

    def requested(self) -> PayoutBatch:
        with self.working():
            return payout_batch_request(
                asset_id=self.asset.id, requested_by_id=self.operator.id, release_ids=self.releases_made
            )

    def approved(self, batch: PayoutBatch) -> None:
        with self.working():
            batch_approve(batch_id=batch.id, plan_sha256=batch.plan_sha256, approved_by_id=self.approver.id)

    def paid(self) -> None:
        payouts_sweep()
        wait_for_status(self.sandbox, "COMPLETED")
        self.make_due()
        payouts_sweep()
        assert [payout.status for payout in self.payouts()] == ["paid"]

    def rounds(self) -> None:
        """What beat's next rounds do, each when its time has come."""
        for _round in range(3):
            self.make_due()
            payouts_sweep()
            self.sql("UPDATE payouts_sendingfence SET read_at = read_at - interval '1 minute'")

    def sent(self) -> int:
        return len(transfers(self.sandbox))


@pytest.fixture
def scene(database: None, fireblocks_sandbox: FireblocksSandbox) -> RestoredScene:
    return RestoredScene(fireblocks_sandbox)


def test_the_id_of_an_attempt_follows_from_its_payout() -> None:
    payout_id = uuid7()
    made = uuid7_following(payout_id, "attempt 1")
    assert made == uuid7_following(payout_id, "attempt 1")
    assert made != uuid7_following(payout_id, "attempt 2")
    assert made.version == 7
    assert made.int >> 80 == payout_id.int >> 80


@pytest.mark.parametrize("backup_of", ["ready", "draft"])
def test_a_payout_that_the_backup_has_is_found_by_its_id(
    scene: RestoredScene, admin_connection: Any, backup_of: str
) -> None:
    # Given a backup of a payout that was not sent, and then it is
    batch = scene.requested()
    draft = Backup(admin_connection)
    scene.approved(batch)
    backup = Backup(admin_connection) if backup_of == "ready" else draft
    scene.paid()
    paid = scene.payout().tx_hash

    # When it is restored, and approved once more where the approval is lost too
    backup.restore()
    assert scene.payout().status == {"ready": "ready", "draft": "awaiting_approval"}[backup_of]
    if backup_of == "draft":
        scene.approved(batch)
    _as_if_no_fence(admin_connection)
    scene.rounds()

    # Then the provider refuses the second send, and what it says of the first settles it
    assert (scene.payout().status, scene.payout().tx_hash) == ("paid", paid)
    assert [release.status for release in scene.releases()] == ["released"]
    assert scene.sent() == 1


def test_control_with_a_drawn_id_a_restored_payout_is_paid_twice(
    scene: RestoredScene, admin_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "attempt_id_of", lambda _payout_id, _number: uuid7())
    scene.approved(scene.requested())
    backup = Backup(admin_connection)
    scene.paid()
    backup.restore()
    _as_if_no_fence(admin_connection)
    scene.rounds()
    assert scene.sent() == 2


def test_a_payout_that_the_backup_has_not_is_held_and_settled_by_its_hash(
    scene: RestoredScene, admin_connection: Any
) -> None:
    # Given a backup from before the payout was asked for, and then it is paid
    backup = Backup(admin_connection)
    scene.approved(scene.requested())
    scene.paid()
    paid = scene.payout().tx_hash

    # When it is restored, and people ask for the same once more
    backup.restore()
    scene.approved(scene.requested())
    scene.rounds()

    # Then it is held, nothing is sent, and the command says why
    payout = scene.payout()
    assert (payout.status, payout.hold_code) == ("held", "sent_before_restore")
    assert scene.sent() == 1
    with pytest.raises(SystemExit):
        call_command("after_restore")

    # And with the hash as evidence it is paid, the fence opens, and the next one is sent
    with scene.working():
        asked = resolution_ask(
            payout_id=payout.id, action="settle", note="n", asked_by_id=scene.operator.id, tx_hash=paid
        )
        resolution_approve(resolution_id=asked.id, decided_by_id=scene.approver.id, note="n")
    assert fence_closed_from() is not None
    scene.rounds()
    assert fence_closed_from() is None
    assert [release.status for release in scene.releases()] == ["released"]
    scene.ready()
    payouts_sweep()
    assert scene.sent() == 2


def test_control_without_the_fence_what_is_asked_for_again_is_paid_twice(
    scene: RestoredScene, admin_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = Backup(admin_connection)
    scene.approved(scene.requested())
    scene.paid()
    backup.restore()
    _as_if_no_fence(admin_connection)
    scene.approved(scene.requested())
    scene.rounds()
    assert scene.sent() == 2


def test_after_a_stop_one_list_opens_the_fence(scene: RestoredScene, admin_connection: Any) -> None:
    scene.approved(scene.requested())
    scene.paid()
    scene.ready()
    scene.sql("UPDATE payouts_sendingfence SET alive_at = alive_at - interval '1 hour'")
    payouts_sweep()
    assert fence_closed_from() is None
    assert scene.sent() == 2


def test_while_the_list_cannot_be_had_nothing_is_sent_and_what_was_sent_settles(scene: RestoredScene) -> None:
    scene.approved(scene.requested())
    payouts_sweep()
    wait_for_status(scene.sandbox, "COMPLETED")
    scene.ready()
    order_fault(scene.sandbox, operation="transactions.list", fault="error_500_before", times=9)
    scene.sql("UPDATE payouts_sendingfence SET alive_at = alive_at - interval '1 hour'")
    scene.rounds()
    assert sorted(payout.status for payout in scene.payouts()) == ["paid", "ready"]
    assert scene.sent() == 1


def test_a_fence_that_closes_in_the_middle_of_a_round_stops_the_send(
    scene: RestoredScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.ready()
    monkeypatch.setattr(sweep, "_may_send", lambda: True)
    call = "UPDATE payouts_sendingfence SET closed_from = now()"
    scene.sql(call)
    payouts_sweep()
    assert scene.sent() == 0
    [attempt] = scene.attempts()
    assert (attempt.sends, attempt.error_code) == (0, "restore_unread")


def test_a_person_may_let_a_transfer_stand(
    scene: RestoredScene, admin_connection: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = Backup(admin_connection)
    scene.approved(scene.requested())
    scene.paid()
    backup.restore()
    with pytest.raises(SystemExit):
        call_command("after_restore")
    transfer_id = capsys.readouterr().out.split()[0]
    assert transfer_id == transfers(scene.sandbox)[0]["externalTxId"]
    call_command("after_restore", stands=transfer_id, because="booked by hand")
    assert fence_closed_from() is None
    # Closed anew by hand, as for a backup from before the fence: the reason went with the opening.
    with pytest.raises(SystemExit):
        call_command("after_restore", "--since", "2026-01-01T10:00")
    assert fence_closed_from() == datetime(2026, 1, 1, 10, tzinfo=UTC)


def _as_if_no_fence(admin_connection: Any) -> None:
    with admin_connection.cursor() as cursor:
        cursor.execute("UPDATE payouts_sendingfence SET alive_at = now(), closed_from = NULL")
