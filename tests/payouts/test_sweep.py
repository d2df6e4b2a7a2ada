"""Stuck payouts of many sites: in turn, oldest first, and no more calls a minute than allowed; with controls."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from apps.core.context import acting_as
from apps.payouts import sweep
from apps.payouts.custody.pace import CustodyPaced, SharedPace
from apps.payouts.pace_models import SweepTurn
from apps.payouts.sweep import payouts_sweep
from apps.vesting.tasks import reconcile_stuck_releases
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.payouts.scenes import Scene, Thread, order_fault
from tests.payouts.stuck_scene import StuckScene, a_minute_passes, operations

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
# A quarter at once, and then one every 4 s.
CALLS_A_MINUTE, AT_ONCE, EACH_S = 20, 5, 4.0


@pytest.fixture(autouse=True)
def _a_worker() -> Iterator[None]:
    with acting_as("task", "test"):
        yield


@pytest.fixture
def slow_pace(settings: Any) -> None:
    settings.CUSTODY_CALLS_A_MINUTE = CALLS_A_MINUTE


def crowded_and_small(sandbox: FireblocksSandbox) -> tuple[StuckScene, StuckScene]:
    """A site that needs more calls than a minute has, and has waited longer; and one with a single payout."""
    crowded, small = StuckScene("NA", 30), StuckScene("ASIA", 1)
    small.planted(sandbox)
    return crowded, small


def test_a_site_with_one_payout_does_not_wait_for_a_site_with_many(
    fireblocks_sandbox: FireblocksSandbox, slow_pace: None
) -> None:
    crowded, small = crowded_and_small(fireblocks_sandbox)
    payouts_sweep()
    a_minute_passes()
    payouts_sweep()
    assert small.statuses() == ["paid"]
    assert "held" in crowded.statuses()
    assert "submitted" in crowded.statuses()


def test_control_without_turns_the_small_site_starves(
    fireblocks_sandbox: FireblocksSandbox, slow_pace: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "in_turn", lambda sites, **_after: sites)
    crowded, small = crowded_and_small(fireblocks_sandbox)
    for _round in range(4):
        payouts_sweep()
        a_minute_passes()
    assert small.statuses() == ["submitted"]
    assert "held" in crowded.statuses()


def test_the_oldest_of_a_site_come_first(fireblocks_sandbox: FireblocksSandbox, slow_pace: None) -> None:
    scene = StuckScene("NA", 30)
    last_first = [attempt.payout_id for attempt in reversed(scene.sent)]
    for n, payout_id in enumerate(last_first):
        scene.sql(
            "UPDATE payouts_payout SET next_attempt_at = now() - make_interval(secs => %s) WHERE id = %s",
            100 - n,
            payout_id,
        )
    payouts_sweep()
    asked = {payout.id for payout in scene.payouts() if payout.status == "held"}
    assert asked and asked == set(last_first[: len(asked)])


def test_all_workers_share_the_calls_of_a_minute(
    fireblocks_sandbox: FireblocksSandbox, slow_pace: None
) -> None:
    StuckScene("NA", 30)
    StuckScene("ASIA", 30)
    started_s = time.monotonic()
    for thread in [Thread(_three_rounds) for _worker in range(2)]:
        thread.outcome()
    allowed = AT_ONCE + (time.monotonic() - started_s) / EACH_S
    assert 3 <= len(operations(fireblocks_sandbox)) <= allowed


def test_control_without_a_pace_more_calls_are_made(
    fireblocks_sandbox: FireblocksSandbox, slow_pace: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SharedPace, "take", lambda _pace: None)
    monkeypatch.setattr(SharedPace, "wait_s", lambda _pace, *_calls: 0.0)
    StuckScene("NA", 15)
    started_s = time.monotonic()
    payouts_sweep()
    assert len(operations(fireblocks_sandbox)) > AT_ONCE + (time.monotonic() - started_s) / EACH_S


def test_a_payout_that_may_not_be_asked_for_stays_due(
    fireblocks_sandbox: FireblocksSandbox, slow_pace: None
) -> None:
    scene = StuckScene("NA", 30)
    swept = payouts_sweep()
    assert swept.is_paced and not swept.go_on()
    assert {payout.lease_token for payout in scene.payouts() if payout.status == "submitted"} == {None}


def test_nobody_calls_while_the_provider_asks_for_a_pause(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = StuckScene("NA", 3)
    scene.planted(fireblocks_sandbox)
    order_fault(fireblocks_sandbox, operation="transactions.*", fault="rate_limit", seconds=50)
    payouts_sweep()
    payouts_sweep()
    assert operations(fireblocks_sandbox) == ["by_external_id"]
    with pytest.raises(CustodyPaced) as paced:
        SharedPace("fireblocks").take()
    assert 40 < (paced.value.retry_after_s or 0) <= 50
    a_minute_passes()
    assert payouts_sweep().outcomes == {"paid": 2}


def test_no_more_calls_are_counted_than_there_are(database: None, slow_pace: None) -> None:
    takers = [Thread(_calls_taken) for _worker in range(3)]
    assert sum(taker.outcome() for taker in takers) == AT_ONCE


def test_a_shorter_pause_does_not_end_a_longer_one(database: None) -> None:
    pace = SharedPace("fireblocks")
    pace.pause(100)
    pace.pause(1)
    assert 90 < pace.wait_s() <= 100


def test_a_send_waits_for_the_pace_too(fireblocks_sandbox: FireblocksSandbox, slow_pace: None) -> None:
    scene = Scene()
    scene.ready(*[10**18] * 10)
    payouts_sweep()
    assert len(operations(fireblocks_sandbox)) <= AT_ONCE + 1
    assert "ready" in {payout.status for payout in scene.payouts()}


def test_rounds_end_and_say_what_became_of_them(fireblocks_sandbox: FireblocksSandbox) -> None:
    for code, count in (("NA", 45), ("ASIA", 15)):
        StuckScene(code, count).planted(fireblocks_sandbox, status="FAILED", txHash="")
    assert reconcile_stuck_releases() == "2 failed, 58 paid"
    assert reconcile_stuck_releases() == "nothing due"
    assert len(operations(fireblocks_sandbox)) == 2


def test_the_command_works_through_all(fireblocks_sandbox: FireblocksSandbox, monkeypatch: Any) -> None:
    monkeypatch.setattr(sweep, "PAYOUTS_A_TURN", 2)
    StuckScene("NA", 4).planted(fireblocks_sandbox)
    StuckScene("ASIA", 3).planted(fireblocks_sandbox, amount="3")
    out = StringIO()
    call_command("reconcile_stuck", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["outcomes"] == {"paid": 6, "held": 1}
    assert told["rounds"] >= 2 and told["due"] == 0


def test_the_command_says_what_is_due_still(fireblocks_sandbox: FireblocksSandbox, slow_pace: None) -> None:
    scene = StuckScene("NA", 10)
    out = StringIO()
    call_command("reconcile_stuck", stdout=out)
    assert f"{scene.statuses().count('submitted'):>7}  are due still" in out.getvalue()
    assert f"{scene.statuses().count('held'):>7}  held" in out.getvalue()


def _calls_taken() -> int:
    """How many of a worker's first five calls were allowed."""
    taken = 0
    for _call in range(AT_ONCE):
        with suppress(CustodyPaced):
            SharedPace("fireblocks").take()
            taken += 1
    return taken


def _three_rounds() -> None:
    with acting_as("task", "test"):
        for _round in range(3):
            payouts_sweep()


def test_the_least_that_may_be_set_is_enough_for_a_look_and_its_send(
    fireblocks_sandbox: FireblocksSandbox, settings: Any
) -> None:
    settings.CUSTODY_CALLS_A_MINUTE = 10
    # given a send that did not arrive, so that the next look asks and then sends
    scene = Scene()
    scene.ready(5)
    order_fault(fireblocks_sandbox, fault="error_500_before", operation="transactions.create")
    payouts_sweep()
    assert scene.payout().status == "submitting"
    a_minute_passes()
    scene.make_due()
    payouts_sweep()
    assert scene.payout().status == "submitted"


@pytest.mark.parametrize(("done", "is_a_turn"), [({}, False), ({"paid": 1}, True)])
def test_while_a_provider_is_closed_only_work_for_another_is_a_turn(
    monkeypatch: pytest.MonkeyPatch, done: dict[str, int], is_a_turn: bool
) -> None:
    scene = Scene()
    scene.ready(5)
    monkeypatch.setattr(sweep, "providers_closed", lambda **_calls: ["fireblocks"])
    monkeypatch.setattr(sweep, "_turn", lambda **_budgets: (Counter(done), False))
    payouts_sweep()
    assert SweepTurn.objects.filter(last_served=scene.site.id).exists() is is_a_turn
