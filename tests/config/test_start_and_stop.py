"""Web, worker and beat wait for what they need, go on by themselves, and stop without cutting anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis
import requests
from django.db import connection
from django_celery_beat.models import PeriodicTask

from config.celery import app
from devstack.ports import HOST
from tests.journeys.black_hole import black_hole
from tests.programs import BEAT, SECRETS, WORKER, Program, Web
from tests.servers import BACKEND, database_url
from tests.tcp_door import TcpDoor, door_to
from tests.waiting import wait_until

SWEEP = "apps.webhooks.tasks.sweep_inbox"
Start = Callable[..., Program]


@pytest.fixture(autouse=True)
def nobody_else(database: None, _worker_process: Any, admin_connection: Any) -> Iterator[None]:
    """No other worker takes this test's tasks, and no lease is left from another test."""
    _worker_process.stop()
    yield
    PeriodicTask.objects.all().delete()
    with admin_connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_beat_lease")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Program] = []

    def _start(words: tuple[str, ...], **environment: str) -> Program:
        started.append(Program(tmp_path / f"{len(started)}.log", words, environment))
        return started[-1]

    yield _start
    for program in started:
        program.kill()
        assert [secret for secret in SECRETS if secret in program.text()] == []
        assert (urlsplit(os.environ["DATABASE_URL"]).password or "?") not in program.text()


@pytest.fixture
def start_web(tmp_path: Path) -> Iterator[Callable[..., Web]]:
    started: list[Web] = []

    def _start(**environment: str) -> Web:
        started.append(Web(tmp_path / f"web{len(started)}.log", environment))
        return started[-1]

    yield _start
    for web in started:
        web.kill()


@pytest.fixture
def database_door() -> Iterator[TcpDoor]:
    with door_to(os.environ["DATABASE_URL"]) as door:
        yield door


@pytest.fixture
def redis_door() -> Iterator[TcpDoor]:
    with door_to(os.environ["REDIS_URL"]) as door:
        yield door


@pytest.fixture
def fresh_url(admin_connection: Any) -> Iterator[str]:
    """An empty database on this run's server: the first deployment."""
    name = f"posx_fresh_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with admin_connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    yield database_url(name)
    with admin_connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def manage(*words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", *words],
        cwd=BACKEND,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def alive_workers() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM core_worker_heartbeat")
        (count,) = cursor.fetchone() or (0,)
        return int(count)


def works(program: Program) -> None:
    """It takes a task and finishes it."""
    done = program.text().count("succeeded")
    app.send_task(SWEEP, expires=60)
    program.says("succeeded", times=done + 1)


# --- worker


def test_a_worker_waits_for_the_database_and_goes_on(start: Start, database_door: TcpDoor) -> None:
    worker = start(WORKER, DATABASE_URL=database_door.url(os.environ["DATABASE_URL"]))
    worker.says("Waiting for the database, try 2")
    assert alive_workers() == 0

    database_door.open()

    worker.says("going on")
    works(worker)
    wait_until(lambda: alive_workers() == 1, 10, "its heartbeat")
    lines = [line for line in worker.text().splitlines() if "Waiting for the database" in line]
    assert all("Database connection failed" in line for line in lines)


def test_a_worker_waits_for_redis_and_goes_on(start: Start, redis_door: TcpDoor) -> None:
    worker = start(WORKER, REDIS_URL=redis_door.url(os.environ["REDIS_URL"]))
    worker.says("Cannot connect to redis://")
    assert alive_workers() == 0

    redis_door.open()

    works(worker)


def test_a_worker_waits_for_migrations_and_goes_on(start: Start, fresh_url: str) -> None:
    worker = start(WORKER, DATABASE_URL=fresh_url)
    worker.says("Waiting for migrations, try 2")

    done = manage("migrate", "--noinput", DATABASE_URL=fresh_url)
    output, _ = done.communicate(timeout=90)
    assert done.returncode == 0, output

    worker.says("going on")
    works(worker)


def test_a_waiting_worker_stops_when_told(start: Start) -> None:
    worker = start(WORKER, DATABASE_URL=f"postgresql://postgres:x@{HOST}:1/none")
    worker.says("Waiting for the database")

    worker.tell(signal.SIGTERM)

    assert worker.ends(5.0) == 0


def test_the_heartbeat_stops_without_the_broker_and_returns_with_it(
    start: Start, redis_door: TcpDoor
) -> None:
    redis_door.open()
    worker = start(WORKER, REDIS_URL=redis_door.url(os.environ["REDIS_URL"]))
    wait_until(lambda: alive_workers() == 1, 25, "its heartbeat")

    works(worker)
    redis_door.shut()
    worker.says("Cannot connect to redis://")
    wait_until(lambda: alive_workers() == 0, 5, "no heartbeat without a broker")

    redis_door.open()
    wait_until(lambda: alive_workers() == 1, 25, "its heartbeat again")
    assert worker.runs()


def test_a_worker_lives_through_a_database_that_goes_away(start: Start, database_door: TcpDoor) -> None:
    database_door.open()
    worker = start(WORKER, DATABASE_URL=database_door.url(os.environ["DATABASE_URL"]))
    works(worker)

    database_door.shut()
    app.send_task(SWEEP, expires=60)
    worker.says("raised unexpected")
    worker.says("heartbeat not written")
    database_door.open()

    works(worker)


def _task_in_progress(worker: Program) -> Any:
    """A task that stands before a lock; the connection whose end lets it go on."""
    works(worker)
    blocker = psycopg2.connect(os.environ["DATABASE_URL"])
    with blocker.cursor() as cursor:
        cursor.execute("LOCK TABLE webhooks_inboxevent IN ACCESS EXCLUSIVE MODE")
    app.send_task(SWEEP, expires=60)

    def stands() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'")
            return (cursor.fetchone() or (0,))[0] > 0

    wait_until(stands, 10, "the task stands before the lock")
    return blocker


def test_a_worker_told_to_stop_finishes_its_task(start: Start) -> None:
    worker = start(WORKER)
    blocker = _task_in_progress(worker)

    worker.tell(signal.SIGTERM)
    worker.says("Warm shutdown")
    assert worker.runs()
    blocker.close()

    assert worker.ends() == 0
    assert worker.text().count("succeeded") == 2
    assert alive_workers() == 0


def test_a_worker_that_must_go_at_once_gives_its_task_back(start: Start, redis_url: str) -> None:
    worker = start(WORKER)
    blocker = _task_in_progress(worker)
    try:
        worker.tell(signal.SIGQUIT)
        worker.ends()
    finally:
        blocker.close()

    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("celery") == 1
    assert worker.text().count("succeeded") == 1
    second = start(WORKER)
    second.says("succeeded")


# --- beat


def test_a_beat_waits_for_redis_and_goes_on(start: Start, redis_door: TcpDoor) -> None:
    beat = start(BEAT, REDIS_URL=redis_door.url(os.environ["REDIS_URL"]))
    beat.says("Waiting for the broker, try 2")
    assert "leading" not in beat.text()

    redis_door.open()

    beat.says("beat: leading")
    beat.says("Scheduler: Sending due task sweep-inbox")


def test_a_beat_waits_for_migrations_and_goes_on(start: Start, fresh_url: str) -> None:
    beat = start(BEAT, DATABASE_URL=fresh_url)
    beat.says("Waiting for migrations, try 2")

    done = manage("migrate", "--noinput", DATABASE_URL=fresh_url)
    output, _ = done.communicate(timeout=90)
    assert done.returncode == 0, output

    beat.says("Scheduler: Sending due task sweep-inbox")


def test_a_beat_lives_through_redis_going_away(start: Start, redis_door: TcpDoor) -> None:
    redis_door.open()
    beat = start(BEAT, REDIS_URL=redis_door.url(os.environ["REDIS_URL"]))
    beat.says("Sending due task")

    redis_door.shut()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_celery_beat_periodictask SET last_run_at = now() - interval '1 hour'")
        cursor.execute("UPDATE django_celery_beat_periodictasks SET last_update = now()")
    beat.says("rror", timeout_s=30)  # "Message Error" or "Connection error"
    redis_door.open()

    sent = beat.text().count("Sending due task")
    beat.says("Sending due task", times=sent + 1)
    assert beat.runs()


def test_a_waiting_beat_stops_when_told(start: Start) -> None:
    beat = start(BEAT, DATABASE_URL=f"postgresql://postgres:x@{HOST}:1/none")
    beat.says("Waiting for the database")

    beat.tell(signal.SIGTERM)

    assert beat.ends(5.0) == 0


def test_a_beat_told_to_stop_hands_over(start: Start) -> None:
    first = start(BEAT)
    first.says("beat: leading")
    second = start(BEAT)
    second.says("standing by: another beat leads")

    first.tell(signal.SIGTERM)

    assert first.ends(5.0) == 0
    second.says("beat: leading", timeout_s=5.0)


# --- web


def test_a_web_without_servers_is_healthy_and_says_503_until_they_come(
    start_web: Callable[..., Web], database_door: TcpDoor, redis_door: TcpDoor
) -> None:
    web = start_web(
        DATABASE_URL=database_door.url(os.environ["DATABASE_URL"]),
        REDIS_URL=redis_door.url(os.environ["REDIS_URL"]),
    ).healthy()

    refused = requests.get(f"{web.url}/api/v1/tiers/", headers={"X-Site-Code": "NA"}, timeout=10)
    assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
    assert "Retry-After" in refused.headers
    assert web.get("/ready/").status_code == 503

    database_door.open()
    redis_door.open()

    answer = requests.get(f"{web.url}/api/v1/tiers/", headers={"X-Site-Code": "NA"}, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_site")
    checks = web.get("/ready/").json()["checks"]
    assert all(checks[name]["ok"] for name in ("database", "redis", "queue", "migrations", "row_security"))


def test_a_web_told_to_stop_finishes_its_request(start_web: Callable[..., Web]) -> None:
    with black_hole() as hole:
        web = start_web(REDIS_URL=hole.url.replace("http://", "redis://")).healthy()
        answers: list[requests.Response] = []
        asking = threading.Thread(target=lambda: answers.append(web.get("/ready/")))
        asking.start()
        wait_until(lambda: hole.callers, 10, "the request waits for Redis")

        web.tell(signal.SIGTERM)

        asking.join(timeout=15)
    assert [answer.status_code for answer in answers] == [503]
    assert answers[0].json()["checks"]["redis"]["reason"]
    assert web.ends() == 0
