"""Revocations beside what else moves the same tokens, forced to happen at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import psycopg2
import pytest
from django.utils import timezone

from apps.core.problems import Problem
from apps.vesting.unlocking import releases_unlock_due
from tests.orders.scene import wait_for_blocked
from tests.payouts.scenes import Thread
from tests.vesting.revoking_scene import Revoking
from tests.vesting.test_revocation import PAID, TOTAL

pytestmark = pytest.mark.usefixtures("database", "bells_lost")


@contextmanager
def held(statement: str) -> Iterator[None]:
    """Somebody else holds rows until the block ends."""
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as other:
        with other.cursor() as cursor:
            cursor.execute(statement)
        yield
        other.rollback()


ALLOCATION = "SELECT 1 FROM vesting_allocation FOR UPDATE"
RELEASES = "SELECT 1 FROM vesting_release ORDER BY unlock_at, id FOR UPDATE"


def test_two_who_revoke_at_once_make_one_revocation(admin_connection: Any) -> None:
    scene = Revoking()
    with held(ALLOCATION):
        both = [Thread(scene.ask), Thread(scene.ask)]
        wait_for_blocked(admin_connection, 2)
    outcomes = sorted(_outcome(each) for each in both)
    assert outcomes == ["done", "nothing_to_revoke"]
    assert scene.sums() == {"unlocked": scene.vested, "revoked": scene.unvested}


def test_two_workers_carry_one_out_once(admin_connection: Any) -> None:
    scene = Revoking()
    asked = scene.ask(effective_at=timezone.now() + timedelta(days=1))
    scene.time_passes(admin_connection, days=2)
    with held(ALLOCATION):
        first = Thread(scene.look)
        wait_for_blocked(admin_connection, 1)
        assert not scene.look()  # the other one has it
    assert (first.outcome(), scene.seen(asked).state) == (True, "done")


def test_an_unlock_beside_it_unlocks_what_is_vested_and_no_more(admin_connection: Any) -> None:
    scene = Revoking(unlocked=False)

    def unlock() -> int:
        with scene.working():
            return releases_unlock_due(100)

    with held(RELEASES):
        revoking = Thread(scene.ask)
        wait_for_blocked(admin_connection, 1)
        assert unlock() == 0  # it leaves what is held to the next sweep
    assert revoking.outcome().state == "done"
    unlock()
    assert scene.sums() == {"unlocked": scene.vested, "revoked": scene.unvested}


def test_a_batch_that_came_first_is_taken_back_by_a_revocation_of_all(admin_connection: Any) -> None:
    scene = Revoking()
    asked = scene.ask("all")
    with held("SELECT 1 FROM accounts_wallet FOR UPDATE"):
        batch = Thread(scene.request)  # holds its releases and waits for the wallet
        wait_for_blocked(admin_connection, 1)
        approving = Thread(lambda: scene.approve(asked))
        wait_for_blocked(admin_connection, 2)
    [payout] = batch.outcome()
    assert approving.outcome().state == "scheduled"  # it saw that something slipped away
    assert scene.sums()["processing"] == payout.amount_base_units
    scene.sql("UPDATE vesting_revocation SET due_at = now()")
    assert scene.look()
    assert (scene.sums(), scene.seen(asked).state) == ({"revoked": TOTAL}, "done")


def test_a_refund_and_a_revocation_at_once_take_each_token_once(admin_connection: Any) -> None:
    scene = Revoking()
    with held(ALLOCATION):
        both = [Thread(scene.ask), Thread(lambda: scene.revoke(PAID // 2))]
        wait_for_blocked(admin_connection, 2)
    for each in both:
        each.outcome()
    sums = scene.sums()
    assert sums["revoked"] >= max(scene.unvested, TOTAL // 2)
    assert sums["revoked"] + sums["unlocked"] == TOTAL and "locked" not in sums


def test_a_dispute_and_a_revocation_at_once_leave_no_token_loose(admin_connection: Any) -> None:
    scene = Revoking()
    with held(RELEASES):
        both = [Thread(scene.ask), Thread(scene.freeze)]
        wait_for_blocked(admin_connection, 2)
    for each in both:
        each.outcome()
    assert scene.sums() == {"frozen": scene.vested, "revoked": scene.unvested}


def _outcome(thread: Thread) -> str:
    try:
        return str(thread.outcome().state)
    except Problem as problem:
        return problem.code
