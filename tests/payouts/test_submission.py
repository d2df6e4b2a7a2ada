"""Whatever crashes, hangs or comes twice between a payout and the custody provider: one transfer."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import ProgrammingError
from django.utils import timezone

from apps.audit.models import AuditEvent
from apps.core.ids import uuid7
from apps.payouts import leases, submission
from apps.payouts.custody.choice import custody_in_use
from apps.payouts.external_ids import external_id_parse
from apps.payouts.fireblocks_models import FireblocksAsset
from apps.payouts.leases import LEASE_S, Leased, lease_due, send_counted
from apps.payouts.models import PayoutStatus
from apps.payouts.settlement import STALE, Verdict, write
from apps.payouts.submission import (
    NOT_IN_WORK,
    payout_check_now,
    payout_look,
    payout_send,
    payouts_round,
    payouts_work,
)
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.factories import in_site
from tests.payouts.scenes import TOKEN, Scene, Thread, order_fault, transfers, wait_for_status

CREATE = "transactions.create"
LOOK_UP = "transactions.by_external_id"
MORE_THAN_THERE_IS = 10**10 * TOKEN


@pytest.fixture
def scene(database: None, bells_lost: None, fireblocks_sandbox: FireblocksSandbox) -> Scene:
    """A site with one ready payout."""
    scene = Scene()
    scene.ready()
    return scene


def work(scene: Scene) -> Counter[str]:
    with scene.working():
        return payouts_round(20)


def lease(scene: Scene) -> Leased:
    with scene.working():
        leased = lease_due()
    assert leased is not None
    return leased


def send(scene: Scene, leased: Leased) -> str:
    with scene.working():
        return payout_send(custody_in_use(), leased)


def later(scene: Scene) -> Counter[str]:
    """The next look, when its time has come."""
    scene.make_due()
    return work(scene)


def states(scene: Scene) -> tuple[str, str]:
    [attempt] = scene.attempts()
    return scene.payout().status, attempt.status


# The way when nothing goes wrong


def test_a_ready_payout_is_submitted_under_its_external_id(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    assert work(scene) == {"submitted": 1}
    [transfer], [attempt] = transfers(fireblocks_sandbox), scene.attempts()
    assert (transfer["externalTxId"], transfer["id"]) == (attempt.external_id, attempt.provider_transfer_id)
    assert (transfer["amountInfo"]["amount"], attempt.sends) == ("5", 1)
    parsed = external_id_parse(attempt.external_id)
    assert parsed is not None and (parsed.site_id, parsed.attempt_id) == (scene.site.id, attempt.id)


def test_a_completed_transfer_pays_the_payout(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    work(scene)
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    assert later(scene) == {"paid": 1}
    [transfer] = transfers(fireblocks_sandbox)
    payout = scene.payout()
    assert states(scene) == ("paid", "succeeded")
    assert (payout.tx_hash, payout.next_attempt_at, payout.lease_token) == (transfer["txHash"], None, None)


def test_a_paid_payout_is_never_worked_on_again(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    work(scene)
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    later(scene)
    assert later(scene) == {}
    assert len(transfers(fireblocks_sandbox)) == 1


def test_what_is_in_flight_is_asked_for_later(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    order_fault(fireblocks_sandbox, outcome="stuck", operation=CREATE)
    work(scene)
    wait_for_status(fireblocks_sandbox, "PENDING_AUTHORIZATION")
    assert later(scene) == {"submitted": 1}
    assert work(scene) == {}, "not before its time"


def test_every_step_is_in_the_audit_trail(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    work(scene)
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    later(scene)
    with in_site(scene.site):
        rows = AuditEvent.objects.filter(row_id=scene.payout().id).order_by("id")
        steps = [row.after["status"] for row in rows if row.after]
    assert steps == ["awaiting_approval", "ready", "submitting", "submitted", "paid"]


# Crashes: the pieces are called as far as the process had come


def test_a_crash_between_attempt_and_call_sends_once(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    before = lease(scene)
    assert later(scene) == {"submitted": 1}
    [attempt], [transfer] = scene.attempts(), transfers(fireblocks_sandbox)
    assert attempt.id == before.attempt_id and transfer["externalTxId"] == before.external_id


def test_a_crash_after_the_send_was_counted_asks_first(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    with scene.working():
        assert send_counted(lease(scene))
    assert later(scene) == {"submitted": 1}
    assert len(transfers(fireblocks_sandbox)) == 1
    assert scene.attempts()[0].sends == 2


def test_a_crash_between_call_and_outcome_finds_the_transfer(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crashing:
        crashing.setattr("apps.payouts.submission.write", lambda *_args, **_fields: "crashed")
        assert work(scene) == {"crashed": 1}
    assert scene.payout().status == "submitting"
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    assert later(scene) == {"paid": 1}
    assert (len(transfers(fireblocks_sandbox)), scene.attempts()[0].sends) == (1, 1)


def test_a_lease_that_runs_is_respected(scene: Scene) -> None:
    lease(scene)
    scene.sql("UPDATE payouts_payout SET next_attempt_at = now()")
    assert work(scene) == {}


def test_a_counted_send_takes_the_lease_anew(scene: Scene) -> None:
    leased = lease(scene)
    scene.sql("UPDATE payouts_payout SET lease_until = now() + interval '2 s'")
    scene.sql("UPDATE payouts_payout SET next_attempt_at = lease_until")

    with scene.working():
        assert send_counted(leased)

    payout = scene.payout()
    assert payout.lease_until is not None and payout.next_attempt_at == payout.lease_until
    assert payout.lease_until > timezone.now() + timedelta(seconds=LEASE_S - 3)


def test_a_counted_send_leaves_what_was_rung_meanwhile_due(scene: Scene) -> None:
    leased = lease(scene)
    scene.sql("UPDATE payouts_payout SET next_attempt_at = now()")

    with scene.working():
        assert send_counted(leased)

    due_at = scene.payout().next_attempt_at
    assert due_at is not None and due_at <= timezone.now()


def _sleepy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stands still between counting its send and making it, for longer than its lease."""
    counted = send_counted

    def count_then_sleep(leased: Leased) -> bool:
        answer = counted(leased)
        woken_s = time.time() + LEASE_S + 2
        monkeypatch.setattr("apps.payouts.custody.fireblocks.time.time", lambda: woken_s)
        return answer

    monkeypatch.setattr(submission, "send_counted", count_then_sleep)


def test_a_worker_that_stood_still_after_counting_sends_nothing(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    leased = lease(scene)
    with monkeypatch.context() as asleep:
        _sleepy(asleep)
        assert send(scene, leased) == "submitting"
    assert transfers(fireblocks_sandbox) == []
    assert scene.attempts()[0].error_code == "custody_send_too_late"


def test_without_the_fence_it_would_send_when_it_wakes(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the tokens may be on their way again by then (a release back)."""
    leased, request = lease(scene), submission._request
    with monkeypatch.context() as asleep:
        _sleepy(asleep)
        asleep.setattr(submission, "_request", lambda held, _leave_by_s=None: request(held, float("inf")))
        assert send(scene, leased) == "submitted"
    assert len(transfers(fireblocks_sandbox)) == 1


# Unknown outcomes


@pytest.mark.parametrize("fault", ["accept_then_hang", "error_500_after"])
def test_an_accepted_transfer_without_an_answer_is_not_sent_again(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox, fault: str
) -> None:
    order_fault(fireblocks_sandbox, fault=fault, operation=CREATE, seconds=0.1)
    assert work(scene) == {"submitting": 1}
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    assert later(scene) == {"paid": 1}
    assert (len(transfers(fireblocks_sandbox)), scene.attempts()[0].sends) == (1, 1)


def test_what_was_not_accepted_is_sent_again_under_the_same_id(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    order_fault(fireblocks_sandbox, fault="error_500_before", operation=CREATE)
    assert work(scene) == {"submitting": 1}
    assert later(scene) == {"submitted": 1}
    [attempt], [transfer] = scene.attempts(), transfers(fireblocks_sandbox)
    assert (attempt.sends, transfer["externalTxId"]) == (2, attempt.external_id)


def test_a_look_up_that_misses_the_transfer_meets_it_when_sending(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a transfer that is there, and a look-up that does not see it yet
    order_fault(fireblocks_sandbox, fault="accept_then_hang", operation=CREATE, seconds=0.1)
    work(scene)
    custody = type(custody_in_use())
    with monkeypatch.context() as behind:
        behind.setattr(custody, "find_by_external_id", lambda *_args, **_fields: None)
        # when it is sent again, then the provider's 1438 says that it is there
        assert later(scene) == {"submitted": 2}, "sent, then looked at without a pause"
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    assert later(scene) == {"paid": 1}
    assert len(transfers(fireblocks_sandbox)) == 1


def test_a_provider_that_cannot_be_asked_leaves_everything_as_it_is(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    order_fault(fireblocks_sandbox, fault="accept_then_hang", operation=CREATE, seconds=0.1)
    work(scene)
    order_fault(fireblocks_sandbox, fault="error_500_before", operation=LOOK_UP)
    assert later(scene) == {"submitting": 1}
    assert (len(transfers(fireblocks_sandbox)), scene.attempts()[0].sends) == (1, 1)


def test_the_pause_that_the_provider_asks_for_is_kept(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    order_fault(fireblocks_sandbox, fault="rate_limit", operation=CREATE, seconds=500)
    work(scene)
    payout = scene.payout()
    assert payout.next_attempt_at is not None
    sent_at = scene.attempts()[0].last_sent_at
    assert sent_at is not None and 490 < (payout.next_attempt_at - sent_at).total_seconds() < 510


def test_a_refused_key_blames_no_payout(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox, settings: Any
) -> None:
    settings.FIREBLOCKS_API_KEY = "00000000-0000-4000-8000-00000000dead"
    assert work(scene) == {"submitting": 1}
    assert scene.attempts()[0].error_code == "custody_credentials_refused"
    settings.FIREBLOCKS_API_KEY = "00000000-0000-4000-8000-000000000001"
    assert later(scene) == {"submitted": 1}


def test_an_unusable_key_claims_nothing(scene: Scene, settings: Any) -> None:
    settings.FIREBLOCKS_PRIVATE_KEY = "not a key"
    with pytest.raises(ValueError, match="FIREBLOCKS_PRIVATE_KEY"):
        work(scene)
    assert (scene.payout().status, scene.attempts()) == ("ready", [])


# Refusals


def test_a_refused_only_send_fails_the_payout(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    # given one payout that the vault cannot pay
    scene.ready(MORE_THAN_THERE_IS)
    assert work(scene) == {"submitted": 1, "failed": 1}
    [payout] = [payout for payout in scene.payouts() if payout.status == "failed"]
    [attempt] = [attempt for attempt in scene.attempts() if attempt.payout_id == payout.id]
    assert (attempt.status, attempt.error_code, attempt.sends) == ("failed", "rejected:fireblocks_1406", 1)
    assert len(transfers(fireblocks_sandbox)) == 1


def test_a_refusal_after_an_unknown_send_is_asked_about_then_held(
    database: None, bells_lost: None, fireblocks_sandbox: FireblocksSandbox
) -> None:
    # given a send without an answer, and a refused second one
    scene = Scene()
    scene.ready(MORE_THAN_THERE_IS)
    order_fault(fireblocks_sandbox, fault="error_500_before", operation=CREATE)
    work(scene)
    assert later(scene) == {"submitting": 1}
    # then nothing more is sent
    assert later(scene) == {"submitting": 1}
    assert (transfers(fireblocks_sandbox), scene.attempts()[0].sends) == ([], 2)
    # and after ten minutes a person has to look
    scene.sent_before(minutes=11)
    assert later(scene) == {"held": 1}
    assert scene.payout().hold_code == "rejected_after_unknown"


def test_what_is_no_longer_what_was_approved_is_not_sent(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    scene.sql("UPDATE sites_asset SET custody_vault_id = '9'")
    assert work(scene) == {"failed": 1}
    [attempt] = scene.attempts()
    assert (attempt.status, attempt.error_code, attempt.sends) == ("failed", "rejected:plan_changed", 0)
    assert transfers(fireblocks_sandbox) == []


def test_a_late_arrival_after_a_refusal_is_still_settled(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    order_fault(fireblocks_sandbox, fault="accept_then_hang", operation=CREATE, seconds=0.1)
    work(scene)
    scene.sql("UPDATE payouts_payoutattempt SET error_code = 'rejected:fireblocks_1406', sends = 2")
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    assert later(scene) == {"paid": 1}


def test_an_accepted_transfer_that_vanishes_is_held(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(scene)
    monkeypatch.setattr(type(custody_in_use()), "find_by_external_id", lambda *_args, **_fields: None)
    assert later(scene) == {"submitted": 1}
    scene.sent_before(minutes=11)
    assert later(scene) == {"held": 1}
    assert scene.payout().hold_code == "transfer_missing"


# Decimals, asked before the first payout of an asset


def ready_with(custody_asset_id: str) -> Scene:
    """One ready payout of an asset of 18 decimals that has this id at the provider."""
    scene = Scene()
    scene.sql("UPDATE sites_asset SET custody_asset_id = %s", custody_asset_id)
    scene.ready()
    return scene


@pytest.mark.parametrize(
    ("custody_asset_id", "code"),
    [("POSX_SIX", "fireblocks_decimals_differ"), ("NOBODYS", "fireblocks_asset_unknown")],
)
def test_an_asset_that_is_not_as_the_provider_has_it_is_not_sent(
    database: None, bells_lost: None, fireblocks_sandbox: FireblocksSandbox, custody_asset_id: str, code: str
) -> None:
    scene = ready_with(custody_asset_id)
    assert work(scene) == {"failed": 1}
    [attempt] = scene.attempts()
    assert (attempt.sends, attempt.error_code) == (0, f"rejected:{code}")
    assert (transfers(fireblocks_sandbox), pinned(scene)) == ([], [])


def pinned(scene: Scene) -> list[tuple[str, int]]:
    with in_site(scene.site):
        return list(FireblocksAsset.objects.values_list("custody_asset_id", "decimals"))


def test_decimals_are_asked_once_and_pinned(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    work(scene)
    assert pinned(scene) == [("POSX_TEST", 18)]
    order_fault(fireblocks_sandbox, fault="error_500_before", operation="assets.retrieve")
    scene.ready()
    assert work(scene) == {"submitted": 1}


def test_while_decimals_cannot_be_asked_nothing_is_sent(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    order_fault(fireblocks_sandbox, fault="error_500_before", operation="assets.retrieve")
    assert work(scene) == {"submitting": 1}
    assert (transfers(fireblocks_sandbox), scene.attempts()[0].sends, pinned(scene)) == ([], 0, [])
    assert later(scene) == {"submitted": 1}


@pytest.mark.parametrize("change", ["decimals = 6", "custody_asset_id = 'OTHER'"])
def test_what_is_pinned_stays(scene: Scene, change: str) -> None:
    work(scene)
    with pytest.raises(ProgrammingError, match="permission denied"):
        scene.sql(f"UPDATE payouts_fireblocksasset SET {change}")


# What the provider says at the end


@pytest.mark.parametrize(
    ("outcome", "last", "expected", "hold_code"),
    [
        ("failed", "FAILED", ("failed", "failed"), ""),
        ("rejected", "REJECTED", ("failed", "failed"), ""),
        ("blocked", "BLOCKED", ("failed", "failed"), ""),
        ("failed_with_hash", "FAILED", ("held", "open"), "provider_needs_person"),
        ("wrong_amount", "COMPLETED", ("held", "open"), "amount_differs"),
        ("wrong_address", "COMPLETED", ("held", "open"), "address_differs"),
        ("unknown_status", "PENDING_SANDBOX_REVIEW", ("submitted", "open"), ""),
    ],
)
def test_each_end_of_a_transfer(
    scene: Scene,
    fireblocks_sandbox: FireblocksSandbox,
    outcome: str,
    last: str,
    expected: tuple[str, str],
    hold_code: str,
) -> None:
    order_fault(fireblocks_sandbox, outcome=outcome, operation=CREATE)
    work(scene)
    wait_for_status(fireblocks_sandbox, last)
    later(scene)
    assert states(scene) == expected
    assert scene.payout().hold_code == hold_code


def test_another_asset_than_approved_is_held(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    work(scene)
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    scene.sql("UPDATE sites_asset SET custody_asset_id = 'OTHER'")
    assert later(scene) == {"held": 1}
    assert scene.payout().hold_code == "asset_differs"


# Two workers


def _claim_at_once(scene: Scene) -> tuple[Leased | None, Leased | None]:
    """One worker's claim that has not committed, and a second worker's meanwhile."""

    def second() -> Leased | None:
        with scene.working():
            return lease_due()

    with in_site(scene.site):
        first = lease_due()
        other = Thread(second)
        other.join(1)  # without the lock it waits for this commit
    return first, other.outcome()


def test_two_workers_claim_one_payout_once(scene: Scene) -> None:
    first, second = _claim_at_once(scene)
    assert first is not None and second is None
    assert len(scene.attempts()) == 1


def test_without_the_row_lock_both_would_claim_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    naive = leases._CLAIM_DUE.replace("FOR UPDATE SKIP LOCKED", "")
    monkeypatch.setattr(leases, "_CLAIM_DUE", naive)
    first, second = _claim_at_once(scene)
    assert first is not None and second is not None
    assert first.token != second.token


def test_many_workers_and_many_payouts_make_one_transfer_each(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    scene.ready(*[n * TOKEN for n in range(1, 12)])
    workers = [Thread(lambda: work(scene)) for _ in range(4)]
    assert sum((one.outcome() for one in workers), Counter()) == {"submitted": 12}
    ids = [transfer["externalTxId"] for transfer in transfers(fireblocks_sandbox)]
    assert len(ids) == len(set(ids)) == 12


def test_a_stale_worker_changes_nothing(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    # given a worker whose lease ran out and was taken by another
    stale = lease(scene)
    scene.make_due()
    fresh = lease(scene)
    # when it comes back, then it neither sends nor writes
    assert send(scene, stale) == STALE
    with scene.working():
        assert write(stale, Verdict(PayoutStatus.FAILED), wait_s=None) == STALE
    assert (states(scene), transfers(fireblocks_sandbox)) == (("submitting", "open"), [])
    # and the holder does both
    assert send(scene, fresh) == "submitted"


def test_a_worker_whose_lease_ran_out_does_not_send(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    leased = lease(scene)
    scene.make_due()
    assert send(scene, leased) == STALE
    assert transfers(fireblocks_sandbox) == []


def test_a_poisonous_payout_does_not_stop_the_others(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.ready(7 * TOKEN)
    custody = type(custody_in_use())
    real = custody.submit

    def poisoned(self: Any, request: Any) -> str:
        if request.amount_base_units == 5 * TOKEN:
            raise KeyError("a fault of ours")
        return real(self, request)

    monkeypatch.setattr(custody, "submit", poisoned)
    assert work(scene) == {"error": 1, "submitted": 1}


# Events and looks


def test_an_event_makes_its_payout_due(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    work(scene)
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    with scene.working():
        assert payout_check_now(attempt_id=scene.attempts()[0].id)
    assert work(scene) == {"paid": 1}


def test_an_event_of_no_attempt_of_the_site_is_not_ours(scene: Scene) -> None:
    with scene.working():
        assert not payout_check_now(attempt_id=uuid7())


def test_an_event_for_a_settled_payout_changes_nothing(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    work(scene)
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    later(scene)
    with scene.working():
        assert payout_check_now(attempt_id=scene.attempts()[0].id)
    assert scene.payout().next_attempt_at is None


def test_an_event_during_the_lease_is_not_lost(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    # given a worker that holds the payout, and an event that comes meanwhile
    leased = lease(scene)
    with scene.working():
        payout_check_now(attempt_id=leased.attempt_id)
    # when the worker writes an answer that is older than the event
    send(scene, leased)
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    # then the next look is at once
    assert work(scene) == {"paid": 1}


def test_a_look_settles_without_waiting_for_the_time(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    work(scene)
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    with scene.working():
        assert payout_look(external_id=scene.attempts()[0].external_id) == "paid"
        assert payout_look(payout_id=scene.payout().id) == NOT_IN_WORK


def test_a_look_never_sends(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    lease(scene)
    scene.make_due()
    with scene.working():
        assert payout_look(payout_id=scene.payout().id) == "submitting"
    assert transfers(fireblocks_sandbox) == []
    assert work(scene) == {"submitted": 1}


def test_a_held_payout_that_completes_after_all_is_paid(
    scene: Scene, fireblocks_sandbox: FireblocksSandbox
) -> None:
    work(scene)
    scene.sql(
        "UPDATE payouts_payout SET status = 'held', hold_code = 'transfer_missing', next_attempt_at = NULL"
    )
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    with scene.working():
        payout_check_now(attempt_id=scene.attempts()[0].id)
    assert work(scene) == {"paid": 1}


def test_the_limit_bounds_a_round(scene: Scene) -> None:
    scene.ready(1, 2, 3)
    with scene.working():
        assert payouts_work(2) == 2


def test_another_sites_payouts_are_left_alone(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    asia = Scene("ASIA")
    assert work(asia) == {}
    assert scene.payout().status == "ready"
