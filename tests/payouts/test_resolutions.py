"""Held payouts go on only as two people decided, and never so that tokens leave twice."""

from __future__ import annotations

import inspect
import re
from typing import Any
from uuid import uuid4

import pytest

from apps.audit.models import AuditEvent
from apps.payouts import lost, resolution_work, resolutions, settlement, submission
from apps.payouts.batches import RowsDisagree
from apps.payouts.custody.choice import custody_in_use
from apps.payouts.hold_reasons import HOLD_REASONS
from apps.payouts.leases import lease_one
from apps.payouts.models import Payout, PayoutStatus
from apps.payouts.resolution_models import PayoutResolution
from apps.payouts.resolutions import resolution_approve, resolution_decline
from apps.payouts.settlement import STALE, Verdict, settle, write
from apps.payouts.submission import payout_check_now
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.databases import rules_off
from tests.factories import in_site
from tests.payouts.held_scenes import (
    EVIDENCE,
    OF_ANOTHER_PAYOUT,
    HeldScene,
    held_after,
    held_by_mistake,
    held_unknown,
    refusal,
)
from tests.payouts.scenes import Thread, order_fault, transfers, wait_for_status, wait_until_blocked

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
HELD = (["held"], ["open"], ["held"])
PAID = (["paid"], ["succeeded"], ["released"])
FREED = (["failed"], ["failed"], ["unlocked"])


@pytest.fixture
def unknown(database: None, bells_lost: None, fireblocks_sandbox: FireblocksSandbox) -> HeldScene:
    """Held; the provider knows nothing of it."""
    return held_unknown(fireblocks_sandbox)


@pytest.fixture
def half_done(database: None, bells_lost: None, fireblocks_sandbox: FireblocksSandbox) -> HeldScene:
    """Held; the provider says FAILED and names a hash."""
    return held_after(fireblocks_sandbox, "failed_with_hash", "FAILED")


# Asking and approving


def test_asking_changes_nothing_yet(unknown: HeldScene) -> None:
    asked = unknown.ask("release")
    assert (asked.state, asked.hold_code) == ("asked", "rejected_after_unknown")
    assert unknown.later() == {} and unknown.states() == HELD


def test_who_asked_may_not_approve(unknown: HeldScene) -> None:
    asked = unknown.ask("settle", tx_hash=EVIDENCE)
    assert refusal(lambda: unknown.approve(asked, by=unknown.operator)) == (403, "second_person_needed")
    assert unknown.states() == HELD


def test_one_thing_is_asked_at_a_time(unknown: HeldScene) -> None:
    unknown.ask("ask_again")
    assert refusal(lambda: unknown.ask("release")) == (409, "resolution_open")


@pytest.mark.parametrize(
    ("action", "tx_hash"), [("settle", ""), ("release", EVIDENCE), ("ask_again", EVIDENCE)]
)
def test_evidence_belongs_to_settling(unknown: HeldScene, action: str, tx_hash: str) -> None:
    assert refusal(lambda: unknown.ask(action, tx_hash=tx_hash)) == (400, "evidence_missing")


def test_only_a_held_payout_is_asked_about(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = HeldScene(fireblocks_sandbox)
    scene.work()
    payout = scene.payout()
    with scene.working():
        asked = refusal(
            lambda: resolutions.resolution_ask(
                payout_id=payout.id, action="release", note="x", asked_by_id=scene.operator.id
            )
        )
        nobody = refusal(
            lambda: resolutions.resolution_ask(
                payout_id=uuid4(), action="release", note="x", asked_by_id=scene.operator.id
            )
        )
    assert (asked, nobody) == ((409, "payout_not_held"), (404, "not_found"))


def test_a_decision_is_made_once(unknown: HeldScene) -> None:
    asked = unknown.ask("ask_again")
    unknown.approve(asked)
    assert refusal(lambda: unknown.approve(asked, by=unknown.second)) == (409, "resolution_decided")


def test_what_was_declined_leaves_the_payout_held_and_can_be_asked_anew(unknown: HeldScene) -> None:
    asked = unknown.ask("settle", tx_hash=EVIDENCE)
    with unknown.working():
        resolution_decline(resolution_id=asked.id, decided_by_id=unknown.approver.id, note="another payout's")
    assert unknown.states() == HELD
    assert unknown.ask("settle", tx_hash=EVIDENCE).state == "asked"


def test_another_reason_than_the_asker_saw_is_not_approved(unknown: HeldScene) -> None:
    asked = unknown.ask("release")
    unknown.sql("UPDATE payouts_payout SET hold_code = 'amount_differs'")
    assert refusal(lambda: unknown.approve(asked)) == (409, "hold_changed")


def test_every_step_is_in_the_audit_trail_with_its_author(unknown: HeldScene) -> None:
    asked = unknown.ask("settle", tx_hash=EVIDENCE)
    unknown.approve(asked)
    with in_site(unknown.site):
        rows = AuditEvent.objects.filter(row_id=asked.id).order_by("id")
        seen = [(row.after["state"], row.after["decided_by_id"]) for row in rows if row.after]
    assert seen == [("asked", None), ("done", str(unknown.approver.id))]


# Ask again


def test_asking_again_settles_by_the_providers_answer(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = held_by_mistake(fireblocks_sandbox)
    scene.approve(scene.ask("ask_again"))
    # when a worker has asked
    assert scene.work() == {"paid": 1}
    assert (scene.states(), scene.resolution()) == (PAID, ("done", "paid"))


def test_asking_again_in_vain_is_done_and_leaves_it_held(half_done: HeldScene) -> None:
    half_done.approve(half_done.ask("ask_again"))
    assert half_done.work() == {"held": 1}
    assert (half_done.states(), half_done.resolution()) == (HELD, ("done", "held"))
    assert half_done.work() == {}, "asked once"


def test_a_provider_that_does_not_answer_is_asked_later(
    half_done: HeldScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_fault(half_done.sandbox, fault="error_500_before", operation="transactions.by_external_id")
    half_done.approve(half_done.ask("ask_again"))
    assert half_done.work() == {"held": 1}
    assert half_done.resolution() == ("approved", "")
    assert half_done.later() == {"held": 1}
    assert half_done.resolution() == ("done", "held")


# Settle with evidence


def test_evidence_of_two_people_pays(half_done: HeldScene) -> None:
    half_done.approve(half_done.ask("settle", tx_hash=EVIDENCE.upper().replace("0X", "0x")))
    assert (half_done.states(), half_done.resolution()) == (PAID, ("done", "paid"))
    assert half_done.payout().tx_hash == EVIDENCE == half_done.releases()[0].tx_hash
    assert half_done.later() == {}


def test_one_transaction_settles_one_payout(half_done: HeldScene) -> None:
    half_done.approve(half_done.ask("settle", tx_hash=EVIDENCE))
    # given another payout that is held
    half_done.unlocked(half_done.buyer(), 5)
    half_done.pay()
    half_done.work()
    half_done.hold()
    assert refusal(lambda: half_done.ask("settle", tx_hash=EVIDENCE)) == (409, "evidence_used")


def test_the_transaction_of_a_paid_payout_settles_no_other(fireblocks_sandbox: FireblocksSandbox) -> None:
    # given a payout that the provider paid, and another one that is held
    scene = HeldScene(fireblocks_sandbox)
    scene.work()
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    assert scene.later() == {"paid": 1}
    paid_by = scene.payout().tx_hash
    scene.unlocked(scene.buyer(), 5)
    scene.pay()
    scene.work()
    scene.hold()
    # then its hash is no evidence, in whatever case it is written
    assert refusal(lambda: scene.ask("settle", tx_hash=paid_by.upper())) == (409, "evidence_used")


def test_a_transaction_that_turns_out_to_be_another_s_is_not_approved(
    half_done: HeldScene, admin_connection: Any
) -> None:
    asked = half_done.ask("settle", tx_hash=EVIDENCE)
    with rules_off(admin_connection) as cursor:
        cursor.execute(OF_ANOTHER_PAYOUT, [EVIDENCE])
    assert refusal(lambda: half_done.approve(asked)) == (409, "evidence_used")
    assert half_done.resolution() == ("asked", "")


# Release back


def test_what_the_provider_never_knew_is_released_back_and_can_be_paid_again(unknown: HeldScene) -> None:
    unknown.approve(unknown.ask("release"))
    assert unknown.work() == {"failed": 1}
    assert (unknown.states(), unknown.resolution()) == (FREED, ("done", "failed"))
    unknown.pay()
    assert [payout.status for payout in unknown.payouts()] == ["failed", "ready"]


def test_a_send_that_may_still_arrive_is_not_released_back(unknown: HeldScene) -> None:
    unknown.sent_before(minutes=9)
    unknown.approve(unknown.ask("release"))
    assert unknown.work() == {"held": 1}
    assert (unknown.states(), unknown.resolution()) == (HELD, ("refused", "sent_lately"))


@pytest.mark.parametrize("trace", ["provider_transfer_id", "raw_status"])
def test_what_the_provider_once_knew_and_lost_is_not_released_back(unknown: HeldScene, trace: str) -> None:
    unknown.sql(f"UPDATE payouts_payoutattempt SET {trace} = 'known'")
    unknown.approve(unknown.ask("release"))
    unknown.work()
    assert (unknown.states(), unknown.resolution()) == (HELD, ("refused", "provider_lost_transfer"))


def test_a_failure_with_a_hash_is_not_released_back_without_a_look_at_the_chain(
    half_done: HeldScene, settings: Any
) -> None:
    settings.EVM_RPC_URLS = {}
    half_done.approve(half_done.ask("release"))
    assert half_done.work() == {"held": 1}
    assert (half_done.states(), half_done.resolution()) == (HELD, ("refused", "evm_rpc_missing"))


@pytest.mark.parametrize(
    ("reverted", "states", "resolution"),
    [
        (True, FREED, ("done", "failed")),
        (False, HELD, ("refused", "chain_does_not_show_failure")),
    ],
)
def test_the_chain_decides_about_a_failure_with_a_hash(
    half_done: HeldScene, monkeypatch: pytest.MonkeyPatch, reverted: bool, states: Any, resolution: Any
) -> None:
    asked: list[tuple[str, int]] = []

    def at_depth(_node: Any, tx_hash: str, depth: int) -> bool:
        asked.append((tx_hash, depth))
        return reverted

    monkeypatch.setattr("apps.payouts.clearance.chain.node_of", lambda chain_id: chain_id)
    monkeypatch.setattr("apps.payouts.clearance.chain.reverted_at_depth", at_depth)
    half_done.approve(half_done.ask("release"))
    half_done.work()
    assert (half_done.states(), half_done.resolution()) == (states, resolution)
    assert asked == [(transfers(half_done.sandbox)[0]["txHash"], half_done.asset.confirmations)]


@pytest.mark.parametrize("outcome", ["wrong_amount", "wrong_address"])
def test_what_moved_otherwise_than_approved_is_not_released_back(
    fireblocks_sandbox: FireblocksSandbox, outcome: str
) -> None:
    scene = held_after(fireblocks_sandbox, outcome, "COMPLETED")
    scene.approve(scene.ask("release"))
    assert scene.work() == {"held": 1}
    assert (scene.states(), scene.resolution()) == (HELD, ("refused", "transfer_completed"))


def test_the_providers_completion_goes_before_the_release_back(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = held_by_mistake(fireblocks_sandbox)
    scene.approve(scene.ask("release"))
    assert scene.work() == {"paid": 1}
    assert (scene.states(), scene.resolution()) == (PAID, ("overtaken", "paid"))


# At once


def test_a_late_event_settles_the_payout_and_the_approval_comes_too_late(
    fireblocks_sandbox: FireblocksSandbox,
) -> None:
    scene = held_by_mistake(fireblocks_sandbox)
    asked = scene.ask("settle", tx_hash=EVIDENCE)
    with scene.working():
        payout_check_now(attempt_id=scene.attempts()[0].id)
    assert scene.work() == {"paid": 1}
    assert refusal(lambda: scene.approve(asked)) == (409, "payout_not_held")
    assert scene.payout().tx_hash == transfers(fireblocks_sandbox)[0]["txHash"] != EVIDENCE
    assert scene.resolution() == ("overtaken", "paid")


def test_a_worker_with_an_older_answer_writes_nothing_over_a_settled_payout(half_done: HeldScene) -> None:
    asked = half_done.ask("settle", tx_hash=EVIDENCE)
    with half_done.working():
        leased = lease_one(half_done.payout().id)
    assert leased is not None
    half_done.approve(asked)
    with half_done.working():
        assert write(leased, Verdict(PayoutStatus.FAILED), wait_s=None) == STALE
    assert half_done.states() == PAID


def test_an_event_during_the_look_keeps_the_payout_held(
    unknown: HeldScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a release back that is approved, and a provider that answers "unknown"
    unknown.approve(unknown.ask("release"))
    looked = resolution_work._doubt

    def event_comes(leased: Any, truth: Any) -> str:
        doubt = looked(leased, truth)
        payout_check_now(attempt_id=leased.attempt_id)
        return doubt

    # when an event comes between that answer and the write
    with monkeypatch.context() as racing:
        racing.setattr(resolution_work, "_doubt", event_comes)
        assert unknown.work() == {STALE: 1}
    # then nothing was released, and the next look decides
    assert (unknown.states(), unknown.resolution()) == (HELD, ("approved", ""))
    assert unknown.later() == {"failed": 1}


def test_without_the_look_for_events_it_would_be_released(
    unknown: HeldScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the test above."""
    unknown.approve(unknown.ask("release"))

    def event_comes(leased: Any, _truth: Any) -> str:
        payout_check_now(attempt_id=leased.attempt_id)
        return ""

    def naive(*args: Any, unless_rung: bool = False, **fields: Any) -> str:
        return write(*args, **fields)

    monkeypatch.setattr(resolution_work, "_doubt", event_comes)
    monkeypatch.setattr(resolution_work, "write", naive)
    assert unknown.work() == {"failed": 1}


def _approve_at_once(scene: HeldScene, admin_connection: Any) -> Thread:
    """One approval that has not committed, and another approver's that comes meanwhile."""
    asked = scene.ask("settle", tx_hash=EVIDENCE)
    with in_site(scene.site):
        resolution_approve(resolution_id=asked.id, decided_by_id=scene.approver.id, note="seen too")
        second = Thread(lambda: scene.approve(asked, by=scene.second))
        wait_until_blocked(admin_connection)
    return second


def test_of_two_approvals_at_once_one_is_told_so(unknown: HeldScene, admin_connection: Any) -> None:
    assert refusal(_approve_at_once(unknown, admin_connection).outcome) == (409, "resolution_decided")
    assert unknown.states() == PAID


def test_without_the_lock_only_the_row_count_stops_the_second(
    unknown: HeldScene, admin_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: both would decide."""

    def unlocked(resolution_id: Any) -> tuple[Payout, PayoutResolution]:
        resolution = PayoutResolution.objects.select_related("payout").get(id=resolution_id)
        return resolution.payout, resolution

    monkeypatch.setattr(resolutions, "_locked_pair", unlocked)
    with pytest.raises(RowsDisagree):
        _approve_at_once(unknown, admin_connection).outcome()


def test_an_approval_waits_for_the_worker_who_is_settling(
    fireblocks_sandbox: FireblocksSandbox, admin_connection: Any
) -> None:
    # given a worker that has written "paid" and not committed
    scene = held_by_mistake(fireblocks_sandbox)
    asked = scene.ask("settle", tx_hash=EVIDENCE)
    with scene.working():
        leased = lease_one(scene.payout().id)
        assert leased is not None
        truth = custody_in_use().find_by_external_id(leased.external_id, decimals=leased.decimals)
    assert truth is not None
    with in_site(scene.site):
        assert settle(leased, truth) == "paid"
        # when a second person approves other evidence
        second = Thread(lambda: scene.approve(asked))
        wait_until_blocked(admin_connection)
    # then the provider's word stands
    assert refusal(second.outcome) == (409, "payout_not_held")
    assert scene.payout().tx_hash == truth.tx_hash


def test_each_hold_code_that_is_written_has_words() -> None:
    written = re.findall(
        r'(?:hold_code=|code = |\(|else )"([a-z_]+(?:_differs|_missing|_person|_unknown))"',
        "".join(inspect.getsource(module) for module in (settlement, submission)),
    )
    assert {*written, lost.HOLD_CODE} == set(HOLD_REASONS)
