"""Web, worker and beat wait for what they need, go on by themselves, and stop without cutting anything."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
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
from tests.servers import clone_template, database_url
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
        variables = {"DJANGO_SETTINGS_MODULE": "config.settings.railway", **environment}
        started.append(Program(tmp_path / f"{len(started)}.log", words, variables))
        return started[-1]

    yield _start
    for program in started:
        program.kill()
        _speaks_json(program)
        assert [secret for secret in SECRETS if secret in program.text()] == []
        assert (urlsplit(os.environ["DATABASE_URL"]).password or "?") not in program.text()


def _speaks_json(program: Program) -> None:
    """Whatever went wrong meanwhile, each line is one that Railway shows with its own level."""
    for line in program.text().splitlines():
        assert line.startswith("{"), line
        assert {"level", "message", "timestamp"} <= json.loads(line).keys()


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
def behind_url(admin_connection: Any) -> Iterator[str]:
    """A database for which one migration of this build has not ended yet. `make railway` waits for a real one."""
    name = clone_template(f"posx_behind_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    migrations(name, "DELETE FROM django_migrations WHERE app = 'core' AND name = '0001_initial'")
    yield database_url(name)
    with admin_connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def migrations(database: str, statement: str) -> None:
    """Change what the database says of its migrations, as the migrator's commit does."""
    with closing(psycopg2.connect(database_url(database))) as connected:
        connected.autocommit = True
        with connected.cursor() as cursor:
            cursor.execute(statement)
            assert cursor.rowcount == 1


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


def test_a_worker_waits_for_the_database_then_for_redis_and_goes_on(
    start: Start, database_door: TcpDoor, redis_door: TcpDoor
) -> None:
    worker = start(
        WORKER,
        DATABASE_URL=database_door.url(os.environ["DATABASE_URL"]),
        REDIS_URL=redis_door.url(os.environ["REDIS_URL"]),
    )
    worker.says("Waiting for the database, try 2")
    lines = [line for line in worker.text().splitlines() if "Waiting for the database" in line]
    assert all("Database connection failed" in line for line in lines)

    database_door.open()

    worker.says("going on")
    worker.says("Cannot connect to redis://")
    assert alive_workers() == 0

    redis_door.open()

    works(worker)
    wait_until(lambda: alive_workers() == 1, 10, "its heartbeat")


def test_worker_and_beat_wait_for_migrations_and_go_on(start: Start, behind_url: str) -> None:
    worker, beat = (start(words, DATABASE_URL=behind_url) for words in (WORKER, BEAT))
    for each in (worker, beat):
        each.says("Waiting for migrations, try 2")

    migrations(
        behind_url.rpartition("/")[2],
        "INSERT INTO django_migrations (app, name, applied) VALUES ('core', '0001_initial', now())",
    )

    for each in (worker, beat):
        each.says("going on")
    beat.says("Scheduler: Sending due task sweep-inbox")
    works(worker)


def test_what_waits_stops_when_told(start: Start) -> None:
    nowhere = f"postgresql://postgres:nowhere@{HOST}:1/none"
    waiting = [start(words, DATABASE_URL=nowhere) for words in (WORKER, BEAT)]
    for each in waiting:
        each.says("Waiting for the database")

    for each in waiting:
        each.tell(signal.SIGTERM)

    assert [each.ends(5.0) for each in waiting] == [0, 0]


def test_a_worker_lives_through_a_broker_and_a_database_that_go_away(
    start: Start, database_door: TcpDoor, redis_door: TcpDoor
) -> None:
    database_door.open()
    redis_door.open()
    worker = start(
        WORKER,
        DATABASE_URL=database_door.url(os.environ["DATABASE_URL"]),
        REDIS_URL=redis_door.url(os.environ["REDIS_URL"]),
    )
    wait_until(lambda: alive_workers() == 1, 25, "its heartbeat")
    works(worker)

    redis_door.shut()
    worker.says("Cannot connect to redis://")
    wait_until(lambda: alive_workers() == 0, 5, "no heartbeat without a broker")
    redis_door.open()
    wait_until(lambda: alive_workers() == 1, 25, "its heartbeat again")

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


def test_a_beat_waits_for_redis_and_lives_through_its_going_away(start: Start, redis_door: TcpDoor) -> None:
    beat = start(BEAT, REDIS_URL=redis_door.url(os.environ["REDIS_URL"]))
    beat.says("Waiting for the broker, try 2")
    assert "leading" not in beat.text()

    redis_door.open()
    beat.says("beat: leading")
    beat.says("Scheduler: Sending due task sweep-inbox")

    redis_door.shut()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_celery_beat_periodictask SET last_run_at = now() - interval '1 hour'")
        cursor.execute("UPDATE django_celery_beat_periodictasks SET last_update = now()")
    beat.says("rror", timeout_s=30)  # "Message Error" or "Connection error"
    redis_door.open()

    sent = beat.text().count("Sending due task")
    beat.says("Sending due task", times=sent + 1)
    assert beat.runs()


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
