"""Doorbells: after commit, with the request's id, and never in the way when the broker is away."""

import json
import logging
import socket
import time
from collections.abc import Iterator

import pytest
import redis
from celery import current_app
from django.db import transaction

from apps.core import doorbells
from apps.core.context import bind_request_id

TASK = "apps.orders.tasks.process_order"


@pytest.fixture(autouse=True)
def own_bell(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    bell = doorbells._Bell()
    monkeypatch.setattr(doorbells, "_bell", bell)
    yield
    bell.forget()


@pytest.fixture
def queue(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


@pytest.fixture
def silent_broker() -> Iterator[str]:
    """Accepts connections and never says a word: the worst kind of away."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def rung(queue: redis.Redis) -> list[dict[str, object]]:
    return [json.loads(message)["headers"] for message in queue.lrange("celery", 0, -1)]


def point_at(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setitem(current_app.conf, "broker_url", url)


def test_a_bell_is_rung_after_commit_with_the_requests_id(database: None, queue: redis.Redis) -> None:
    with bind_request_id("req-12345678"), transaction.atomic():
        doorbells.ring(TASK, "site", "order")
        assert rung(queue) == []

    (headers,) = rung(queue)
    assert headers["task"] == TASK
    assert headers[doorbells.REQUEST_ID_HEADER] == "req-12345678"
    assert headers["expires"]


def test_a_bell_vanishes_with_its_transaction(database: None, queue: redis.Redis) -> None:
    with pytest.raises(KeyError), transaction.atomic():
        doorbells.ring(TASK)
        raise KeyError

    assert rung(queue) == []


def test_a_bell_outside_a_transaction_is_rung_at_once(database: None, queue: redis.Redis) -> None:
    doorbells.ring(TASK)

    assert len(rung(queue)) == 1


def test_only_text_is_sent() -> None:
    with pytest.raises(TypeError):
        doorbells.ring(TASK, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["refusing", "silent"])
def test_a_broker_away_costs_at_most_two_seconds_and_a_warning(
    kind: str, silent_broker: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    point_at(monkeypatch, silent_broker if kind == "silent" else "redis://127.0.0.1:1/0")
    started_s = time.monotonic()

    with caplog.at_level(logging.WARNING):
        doorbells._send(TASK, ())

    assert time.monotonic() - started_s < 2.5
    assert f"doorbell lost: {TASK}" in caplog.text


def test_after_a_failure_the_next_bells_do_not_wait(
    silent_broker: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    point_at(monkeypatch, silent_broker)
    doorbells._send(TASK, ())
    started_s = time.monotonic()

    for _ in range(20):
        doorbells._send(TASK, ())

    assert time.monotonic() - started_s < 0.5
    assert caplog.text.count("doorbell lost") == 21


def test_bells_ring_again_when_the_broker_is_back(
    silent_broker: str, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        point_at(away, silent_broker)
        doorbells._send(TASK, ())
    monkeypatch.setattr(doorbells._bell, "_quiet_until_s", 0.0)

    doorbells._send(TASK, ())

    assert len(rung(queue)) == 1


def _cut_connections(queue: redis.Redis) -> None:
    """Those of this process' own Redis database: other test processes share the server."""
    own = str(queue.get_connection_kwargs().get("db", 0))
    mine = queue.client_id()
    for client in queue.client_list(_type="normal"):
        if client["db"] == own and int(client["id"]) != mine:
            queue.client_kill_filter(_id=client["id"])


def test_a_connection_cut_between_two_bells_loses_at_most_one(queue: redis.Redis) -> None:
    doorbells._send(TASK, ())
    _cut_connections(queue)

    doorbells._send(TASK, ())
    doorbells._bell._quiet_until_s = 0.0
    doorbells._send(TASK, ())

    assert len(rung(queue)) >= 2
