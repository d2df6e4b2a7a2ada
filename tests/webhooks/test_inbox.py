"""Claims, outcomes and retries of inbox events, with the database's clock moved by hand."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now

from apps.core.context import current_actor
from apps.core.remote import RemoteUnknown, refuse_inside_transaction
from apps.webhooks.models import EventStatus, InboxEvent
from apps.webhooks.services import (
    BACKOFF_MAX_S,
    Outcome,
    backoff_s,
    event_claim,
    event_handle,
    event_settle,
    inbox_sweep,
)
from tests.factories import make_inbox_event

pytestmark = pytest.mark.usefixtures("database")
HANDLED = Outcome(EventStatus.HANDLED)


def make_due(event: InboxEvent) -> None:
    InboxEvent.objects.filter(id=event.id).update(next_attempt_at=Now() - timedelta(seconds=1))


def handled(_: InboxEvent) -> Outcome:
    return HANDLED


def test_a_handled_event_is_done_with() -> None:
    event = make_inbox_event()

    assert event_handle(event_id=event.id, dispatch=handled) == HANDLED
    assert event_handle(event_id=event.id, dispatch=handled) is None

    event.refresh_from_db()
    assert (event.status, event.attempts) == ("handled", 1)
    assert event.handled_at is not None


def test_the_event_is_the_actor_and_no_transaction_is_open() -> None:
    event = make_inbox_event(event_id="evt_7")
    seen: list[Any] = []

    def look(_: InboxEvent) -> Outcome:
        refuse_inside_transaction()
        seen.append(current_actor())
        return HANDLED

    event_handle(event_id=event.id, dispatch=look)

    assert [(actor.kind, actor.id) for actor in seen] == [("webhook", "stripe:evt_7")]


def test_only_one_of_many_workers_gets_it() -> None:
    event = make_inbox_event()
    calls: list[int] = []
    start = threading.Barrier(4)

    def count(_: InboxEvent) -> Outcome:
        calls.append(1)
        return HANDLED

    def work(_: int) -> Outcome | None:
        try:
            start.wait(10)
            return event_handle(event_id=event.id, dispatch=count)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(work, range(4)))

    assert (len(calls), outcomes.count(None)) == (1, 3)


def test_a_transient_failure_is_counted_and_comes_back_later() -> None:
    event = make_inbox_event()

    def fail(_: InboxEvent) -> Outcome:
        raise RemoteUnknown("stripe_unreachable")

    event_handle(event_id=event.id, dispatch=fail)

    event.refresh_from_db()
    assert (event.status, event.error_code, event.attempts) == ("failed", "stripe_unreachable", 1)
    assert event_handle(event_id=event.id, dispatch=handled) is None  # not due yet
    make_due(event)
    assert event_handle(event_id=event.id, dispatch=handled) == HANDLED
    event.refresh_from_db()
    assert (event.status, event.error_code, event.attempts) == ("handled", "", 2)


def test_a_bug_of_ours_does_not_lose_the_event() -> None:
    event = make_inbox_event()

    def break_down(_: InboxEvent) -> Outcome:
        raise ZeroDivisionError

    event_handle(event_id=event.id, dispatch=break_down)

    event.refresh_from_db()
    assert (event.status, event.error_code) == ("failed", "unexpected")


def test_who_lost_the_lease_settles_nothing() -> None:
    event = make_inbox_event()
    slow = event_claim(event_id=event.id)
    make_due(event)
    quick = event_claim(event_id=event.id)
    assert slow is not None
    assert quick is not None

    assert event_settle(event=quick, outcome=HANDLED)
    assert not event_settle(event=slow, outcome=Outcome(EventStatus.FAILED, "late"))

    event.refresh_from_db()
    assert event.status == "handled"


def test_a_worker_that_died_leaves_the_event_to_the_sweep_after_its_lease() -> None:
    event = make_inbox_event()
    event_claim(event_id=event.id)

    assert inbox_sweep(dispatch=handled) == (0, False)
    make_due(event)
    assert inbox_sweep(dispatch=handled) == (1, False)


def test_the_sweep_takes_the_longest_waiting_first_and_says_when_more_is_left() -> None:
    order: list[str] = []
    for number in (3, 1, 2):
        make_inbox_event(event_id=f"evt_{number}", next_attempt_at=Now() - timedelta(hours=4 - number))

    def note(event: InboxEvent) -> Outcome:
        order.append(event.event_id)
        return HANDLED

    assert inbox_sweep(dispatch=note, limit=2) == (2, True)
    assert inbox_sweep(dispatch=note, limit=2) == (1, False)
    assert order == ["evt_1", "evt_2", "evt_3"]


def test_the_sweep_stops_when_its_time_is_over() -> None:
    make_inbox_event()

    assert inbox_sweep(dispatch=handled, budget_s=-1) == (0, True)


def test_one_bad_event_does_not_stop_the_sweep() -> None:
    make_inbox_event(event_id="evt_bad", next_attempt_at=Now() - timedelta(hours=1))
    make_inbox_event(event_id="evt_good")

    def pick(event: InboxEvent) -> Outcome:
        if event.event_id == "evt_bad":
            raise ValueError
        return HANDLED

    assert inbox_sweep(dispatch=pick) == (2, False)
    assert InboxEvent.objects.get(event_id="evt_good").status == "handled"


def test_the_sweep_passes_over_what_another_one_has_locked() -> None:
    make_inbox_event()
    entered, leave = threading.Event(), threading.Event()

    def dwell(_: InboxEvent) -> Outcome:
        entered.set()
        leave.wait(10)
        return HANDLED

    def first_sweep() -> tuple[int, bool]:
        try:
            return inbox_sweep(dispatch=dwell)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(first_sweep)
        assert entered.wait(10)
        assert inbox_sweep(dispatch=handled) == (0, False)
        leave.set()
        assert running.result(10) == (1, False)


@pytest.mark.parametrize("attempts", [1, 2, 10, 11, 12, 1000, 2**31 - 1])
def test_waiting_grows_to_an_hour_and_no_further(attempts: int) -> None:
    whole_s = min(BACKOFF_MAX_S, 5 * 2 ** min(attempts - 1, 20))

    assert whole_s / 2 <= backoff_s(attempts) <= whole_s
