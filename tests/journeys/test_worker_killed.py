"""kill -9 of a real worker around the call to custody: one transfer, the releases paid, nothing forgotten.

Every campaign is the same: a worker is held at one point from outside, killed with all its processes, its lease
runs out, and another worker finishes.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from celery import current_app

from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.fireblocks_sandbox.amounts import to_base_units
from tests.journeys.approved_payout import (
    AMOUNT_BASE_UNITS,
    SWEEP,
    ApprovedPayout,
    Records,
    given_approved_payout,
    order_fault,
    transfers_at,
)
from tests.journeys.black_hole import black_hole
from tests.journeys.conftest import StartWorker
from tests.journeys.gate import updates_wait
from tests.servers import BACKEND, REPOSITORY
from tests.waiting import wait_until
from tests.workers import WorkerProcess

pytestmark = pytest.mark.usefixtures("app_server")
ATTEMPTS_OF_PAYOUT = "SELECT id FROM payouts_payoutattempt WHERE payout_id = %s"
RELEASES_OF_PAYOUT = "SELECT id FROM vesting_release WHERE payout_id = %s"


@pytest.fixture
def payout(nobody_works: None, fireblocks_sandbox: FireblocksSandbox) -> ApprovedPayout:
    """Approved, and rung for; no worker runs yet."""
    return given_approved_payout()


@pytest.fixture
def records(admin_connection: Any, payout: ApprovedPayout) -> Records:
    return Records(admin_connection, payout.payout_id)


def works(start_worker: StartWorker, name: str, **environment: str) -> WorkerProcess:
    """A worker that looks for work at once, as beat would have it do."""
    worker = start_worker(name, **environment)
    current_app.send_task(SWEEP)
    return worker


def assert_paid_exactly_once(records: Records, sandbox: FireblocksSandbox, payout: ApprovedPayout) -> None:
    (transfer,) = transfers_at(sandbox)
    assert to_base_units(transfer["amountInfo"]["amount"], 18) == AMOUNT_BASE_UNITS
    assert transfer["destinationAddress"] == payout.address
    releases = records.releases()
    assert {(status, tx_hash) for status, tx_hash, _amount in releases} == {("released", transfer["txHash"])}
    assert sum(amount for _status, _hash, amount in releases) == AMOUNT_BASE_UNITS


def assert_history_complete(records: Records) -> None:
    (payout,) = records.history("payouts_payout", "%s")
    assert states(payout) in (
        ["awaiting_approval", "ready", "submitting", "submitted", "paid"],
        ["awaiting_approval", "ready", "submitting", "paid"],
    )
    (attempt,) = records.history("payouts_payoutattempt", ATTEMPTS_OF_PAYOUT)
    assert states(attempt) == ["open", "succeeded"]
    releases = [states(history) for history in records.history("vesting_release", RELEASES_OF_PAYOUT)]
    assert releases == [["locked", "unlocked", "processing", "released"]] * 2


def states(history: list[str]) -> list[str]:
    """Without the entries that changed another column only."""
    return [state for state, before in zip(history, [None, *history], strict=False) if state != before]


def test_killed_after_the_attempt_was_committed_and_before_the_send_was_counted(
    payout: ApprovedPayout,
    records: Records,
    start_worker: StartWorker,
    fireblocks_sandbox: FireblocksSandbox,
    admin_connection: Any,
) -> None:
    # Given a worker that stands between the two commits
    with updates_wait(admin_connection, "payouts_payoutattempt") as gate:
        first = works(start_worker, "first")
        wait_until(gate.somebody_waits, 20, "the worker is about to count the send")
        assert records.attempts() == [("open", 0)]
        # When it is killed
        first.kill()
    assert transfers_at(fireblocks_sandbox) == []
    assert records.payout_status() == "submitting"
    records.lease_runs_out()
    works(start_worker, "second")
    # Then the other one pays, once
    wait_until(lambda: records.payout_status() == "paid", 30, "the payout is paid")
    assert records.attempts() == [("succeeded", 1)]
    assert_paid_exactly_once(records, fireblocks_sandbox, payout)
    assert_history_complete(records)


def test_killed_between_the_counted_send_and_custody(
    payout: ApprovedPayout,
    records: Records,
    start_worker: StartWorker,
    fireblocks_sandbox: FireblocksSandbox,
) -> None:
    # Given a worker whose call leaves it and reaches nobody
    with black_hole() as nobody:
        first = works(start_worker, "first", FIREBLOCKS_API_BASE=nobody.url)
        wait_until(lambda: nobody.callers, 20, "the worker calls custody")
        assert records.attempts() == [("open", 1)]
        # When it is killed
        first.kill()
    assert transfers_at(fireblocks_sandbox) == []
    assert records.payout_status() == "submitting"
    records.lease_runs_out()
    works(start_worker, "second")
    # Then the other one asks, finds nothing, and sends under the same id
    wait_until(lambda: records.payout_status() == "paid", 30, "the payout is paid")
    assert records.attempts() == [("succeeded", 2)]
    assert_paid_exactly_once(records, fireblocks_sandbox, payout)
    assert_history_complete(records)


def test_killed_between_custody_s_acceptance_and_the_outcome(
    payout: ApprovedPayout,
    records: Records,
    start_worker: StartWorker,
    fireblocks_sandbox: FireblocksSandbox,
) -> None:
    # Given a worker whose transfer was accepted, and who never hears of it
    killed_after_acceptance(start_worker, records, fireblocks_sandbox)
    assert records.attempts() == [("open", 1)]
    assert records.payout_status() == "submitting"
    # When its lease has run out
    records.lease_runs_out()
    works(start_worker, "second")
    # Then the other one finds the transfer and sends nothing
    wait_until(lambda: records.payout_status() == "paid", 30, "the payout is paid")
    assert records.attempts() == [("succeeded", 1)]
    assert_paid_exactly_once(records, fireblocks_sandbox, payout)
    assert_history_complete(records)


def test_negative_control_a_fresh_external_id_on_each_try_pays_twice(
    payout: ApprovedPayout,
    records: Records,
    start_worker: StartWorker,
    fireblocks_sandbox: FireblocksSandbox,
) -> None:
    forgetful = {
        "DJANGO_SETTINGS_MODULE": "tests.journeys.forgetful_settings",
        "PYTHONPATH": f"{BACKEND}{os.pathsep}{REPOSITORY}",
    }
    killed_after_acceptance(start_worker, records, fireblocks_sandbox, **forgetful)
    records.lease_runs_out()
    works(start_worker, "second", **forgetful)
    # The campaign above sees it: the sandbox holds two transfers for one payout
    wait_until(lambda: len(transfers_at(fireblocks_sandbox)) == 2, 30, "the second transfer")
    addresses = {transfer["destinationAddress"] for transfer in transfers_at(fireblocks_sandbox)}
    assert addresses == {payout.address}


def killed_after_acceptance(
    start_worker: StartWorker, records: Records, sandbox: FireblocksSandbox, **environment: str
) -> None:
    """Custody accepts and says nothing; the worker that waits for its answer is killed."""
    order_fault(sandbox, operation="transactions.create", fault="accept_then_hang", seconds=20)
    first = works(start_worker, "first", **environment)
    wait_until(lambda: transfers_at(sandbox), 20, "custody has accepted the transfer")
    first.kill()
