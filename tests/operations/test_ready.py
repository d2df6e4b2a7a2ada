"""/ready/ and /version/: every check, its reason, the two seconds, and what they cost and never tell."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.heartbeats import heartbeat
from apps.core.leases import renew_lease
from apps.core.needs import migrations_on_disk
from apps.operations import database_checks
from apps.operations.probes import Answers
from apps.operations.readiness import PROBES
from devstack.ports import HOST, free_port
from tests.journeys.black_hole import black_hole
from tests.payouts.scenes import Scene
from tests.programs import SECRETS, Web
from tests.waiting import wait_until
from tests.workers import WorkerProcess, stop_workers

pytestmark = pytest.mark.usefixtures("database")
LIMIT_S = 2.0


@pytest.fixture(autouse=True)
def no_worker(database: None, admin_connection: Any) -> None:
    """Other tests' workers live on and say so every few seconds."""
    stop_workers()
    _sql(admin_connection, "DELETE FROM core_worker_heartbeat")


@pytest.fixture(autouse=True)
def rounds_end() -> Iterator[None]:
    """No round of a test, one that hung above all, is joined by the next."""
    yield
    for probe in PROBES:
        assert probe.start().done.wait(10)


@pytest.fixture(autouse=True)
def _no_lease(admin_connection: Any) -> Iterator[None]:
    _sql(admin_connection, "DELETE FROM core_beat_lease")
    yield
    _sql(admin_connection, "DELETE FROM core_beat_lease")


@pytest.fixture
def all_well(database: None) -> None:
    """The signs of a worker, a beat and a schedule, as the processes write them."""
    heartbeat(name="w@test:1", version="abc1234")
    renew_lease(name="beat", holder="b", lease_s=60)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_celery_beat_intervalschedule (every, period) VALUES (10, 'seconds') RETURNING id"
        )
        (interval,) = cursor.fetchone() or (None,)
        cursor.execute(
            "INSERT INTO django_celery_beat_periodictask (name, task, args, kwargs, enabled, total_run_count,"
            " date_changed, description, one_off, headers, interval_id, last_run_at)"
            " VALUES ('often', 't', '[]', '{}', true, 0, now(), '', false, '{}', %s, now())",
            [interval],
        )


def _sql(admin: Any, statement: str, *values: object) -> None:
    with admin.cursor() as cursor:
        cursor.execute(statement, list(values) or None)


def ask() -> tuple[int, dict[str, Any]]:
    answer = Client().get("/ready/")
    body = answer.json()
    assert body["status"] == ("ready" if answer.status_code == 200 else "not ready")
    assert answer.status_code == (200 if all(check["ok"] for check in body["checks"].values()) else 503)
    return answer.status_code, body["checks"]


def failed(checks: dict[str, Any]) -> dict[str, str]:
    return {name: check["reason"] for name, check in checks.items() if not check["ok"]}


def test_it_is_ready_when_everything_works(all_well: None) -> None:
    status, checks = ask()

    assert failed(checks) == {}
    assert status == 200
    assert list(checks) == [*database_checks.NAMES, "redis", "queue"]
    assert checks["worker"]["versions"] == ["abc1234"]


def test_before_anything_was_started_it_says_who_is_missing() -> None:
    status, checks = ask()

    assert status == 503
    assert failed(checks) == {"worker": "no worker has ever been heard", "beat": "no beat leads"}


def test_a_worker_that_went_silent(all_well: None, admin_connection: Any) -> None:
    _sql(admin_connection, "UPDATE core_worker_heartbeat SET seen_at = now() - interval '5 minutes'")

    assert failed(ask()[1]) == {"worker": "the last was heard 300 s ago"}


def test_a_beat_that_sends_late(all_well: None, admin_connection: Any) -> None:
    _sql(admin_connection, "UPDATE django_celery_beat_periodictask SET last_run_at = now() - interval '70 s'")

    assert failed(ask()[1]) == {"beat": "60 s late, more than 30"}


def test_a_beat_that_leads_no_more(all_well: None, admin_connection: Any) -> None:
    _sql(admin_connection, "UPDATE core_beat_lease SET expires_at = now() - interval '1 s'")

    assert failed(ask()[1]) == {"beat": "no beat leads"}


@pytest.mark.parametrize("status", ["received", "failed"])
def test_an_event_that_nobody_handles(all_well: None, admin_connection: Any, status: str) -> None:
    _events(admin_connection, 1, status="received")
    _sql(admin_connection, "UPDATE webhooks_inboxevent SET status = %s", status)

    assert failed(ask()[1]) == {"inbox": "600 s late, more than 60"}


def test_an_event_that_waits_for_its_next_attempt_is_no_fault(all_well: None, admin_connection: Any) -> None:
    _events(admin_connection, 1, status="received")
    _sql(admin_connection, "UPDATE webhooks_inboxevent SET next_attempt_at = now() + interval '1 hour'")

    assert ask()[0] == 200


def test_a_payout_that_nobody_sends(all_well: None, admin_connection: Any) -> None:
    Scene().ready()
    _sql(admin_connection, "UPDATE payouts_payout SET next_attempt_at = now() - interval '5 minutes'")

    assert failed(ask()[1]) == {"payouts": "300 s late, more than 60"}


def test_a_long_queue(all_well: None, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.rpush("celery", *range(1001))

    _status, checks = ask()

    assert failed(checks) == {"queue": "1001 tasks wait; are there enough workers?"}
    assert checks["queue"]["length"] == 1001


def test_a_migration_that_is_not_applied(all_well: None, admin_connection: Any) -> None:
    _sql(admin_connection, "UPDATE django_migrations SET app = 'gone' WHERE app = 'tiers'")
    try:
        checks = ask()[1]
    finally:
        _sql(admin_connection, "UPDATE django_migrations SET app = 'tiers' WHERE app = 'gone'")

    assert "are not applied" in failed(checks)["migrations"]


def test_the_names_on_disk_are_what_django_would_apply() -> None:
    executor = MigrationExecutor(connection)

    assert set(migrations_on_disk()) == set(executor.loader.disk_migrations)
    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []


@pytest.mark.parametrize("spoil", ["NO FORCE", "DISABLE"])
def test_row_security_that_is_not_in_force(all_well: None, admin_connection: Any, spoil: str) -> None:
    _sql(admin_connection, f"ALTER TABLE orders_order {spoil} ROW LEVEL SECURITY")
    try:
        checks = ask()[1]
    finally:
        _sql(admin_connection, "ALTER TABLE orders_order ENABLE ROW LEVEL SECURITY")
        _sql(admin_connection, "ALTER TABLE orders_order FORCE ROW LEVEL SECURITY")

    assert failed(checks) == {"row_security": "off for 1 tables; run manage.py check --database default"}


def test_a_login_that_row_security_does_not_bind() -> None:
    parts = urlsplit(os.environ["DATABASE_URL"])
    superuser = {"USER": parts.username, "PASSWORD": parts.password}
    answers: Answers = {}
    other = connection.copy()
    other.settings_dict.update(superuser)

    database_checks.ask_over(other, answers)

    assert not answers["row_security"].ok
    assert "not bound" in answers["row_security"].reason


def test_an_empty_database(admin_connection: Any) -> None:
    name = f"posx_empty_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    _sql(admin_connection, f'CREATE DATABASE "{name}"')
    try:
        other = connection.copy()
        other.settings_dict["NAME"] = name
        answers: Answers = {}
        database_checks.ask_over(other, answers)
        other.close()
    finally:
        _sql(admin_connection, f'DROP DATABASE "{name}" WITH (FORCE)')

    reasons = {name: check.reason for name, check in answers.items() if not check.ok}
    assert reasons.pop("row_security") == "there are no tables yet"
    assert set(reasons.values()) == {"not migrated yet"}


def test_a_table_that_a_migration_has_locked_costs_one_check(all_well: None) -> None:
    blocker = psycopg2.connect(os.environ["DATABASE_URL"])
    try:
        blocker.cursor().execute("LOCK TABLE webhooks_inboxevent IN ACCESS EXCLUSIVE MODE")
        started_s = time.monotonic()
        checks = ask()[1]
        took_s = time.monotonic() - started_s
    finally:
        blocker.close()

    assert list(failed(checks)) == ["inbox"]
    assert took_s < LIMIT_S


def _web(tmp_path: Path, **environment: str) -> Iterator[Web]:
    web = Web(tmp_path / "web.log", environment)
    try:
        yield web.healthy()
    finally:
        web.kill()


def _at(url: str, address: str) -> str:
    """`url` with another host and port."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{login}@{address}").geturl()


def _timed(web: Web) -> tuple[dict[str, Any], float]:
    started_s = time.monotonic()
    answer = web.get("/ready/")
    took_s = time.monotonic() - started_s
    assert answer.status_code == 503
    assert web.get("/health/").status_code == 200
    return answer.json()["checks"], took_s


@pytest.mark.parametrize("hangs", ["database", "redis", "both"])
def test_it_answers_within_two_seconds_although_servers_hang(
    tmp_path: Path, all_well: None, hangs: str
) -> None:
    with black_hole() as hole:
        address = urlsplit(hole.url).netloc
        names = {"database": ["DATABASE_URL"], "redis": ["REDIS_URL"], "both": ["DATABASE_URL", "REDIS_URL"]}
        environment = {name: _at(os.environ[name], address) for name in names[hangs]}
        for web in _web(tmp_path, **environment):
            _timed(web)  # the first request of a process also imports the addresses
            checks, took_s = _timed(web)
            assert took_s < LIMIT_S
            expected = {"database": database_checks.NAMES, "redis": ("redis", "queue")}
            expected["both"] = expected["database"] + expected["redis"]
            assert set(failed(checks)) == set(expected[hangs])


def test_a_crowd_before_a_hanging_database_makes_one_connection_a_process(tmp_path: Path) -> None:
    with black_hole() as hole:
        url = _at(os.environ["DATABASE_URL"], urlsplit(hole.url).netloc)
        for web in _web(tmp_path, DATABASE_URL=url):
            started_s = time.monotonic()
            for _ in range(3):
                _timed(web)
            rounds = 1 + (time.monotonic() - started_s) // 2  # a round ends with libpq's connect_timeout
            assert len(hole.callers) <= 2 * rounds  # two processes


def test_servers_that_are_away_or_refuse_are_told_apart_from_ones_that_hang(tmp_path: Path) -> None:
    nowhere = f"{HOST}:{free_port()}"
    urls = {name: _at(os.environ[name], nowhere) for name in ("DATABASE_URL", "REDIS_URL")}
    for web in _web(tmp_path, **urls):
        checks, took_s = _timed(web)

    assert failed(checks)["database"] == "the database is away or refuses the login"
    assert failed(checks)["redis"] == "it is away or does not answer"
    assert took_s < LIMIT_S


def test_what_it_costs() -> None:
    answers: Answers = {}
    connection.ensure_connection()
    with CaptureQueriesContext(connection) as captured:
        database_checks.ask_over(connection, answers)

    assert len(captured) == len(database_checks.QUESTIONS) == 6
    assert all(check.figures or name in ("database",) for name, check in answers.items())


def _events(admin: Any, count: int, *, status: str, first: int = 0) -> None:
    _sql(
        admin,
        "INSERT INTO webhooks_inboxevent (id, provider, event_id, event_type, object_id, payload_sha256, status,"
        " attempts, next_attempt_at, error_code, received_at)"
        " SELECT gen_random_uuid(), 'stripe', 'e' || n, 't', '', '', 'received', 0,"
        " now() - interval '10 minutes', '', now() FROM generate_series(%s, %s) n",
        first,
        first + count - 1,
    )
    if status != "received":
        _sql(admin, "UPDATE webhooks_inboxevent SET status = %s WHERE status = 'received'", status)


def _blocks(admin: Any, statement: str) -> int:
    """Pages that the statement touches as the app login, planned anew and without what a write leaves behind."""
    _sql(admin, "VACUUM ANALYZE webhooks_inboxevent")
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement)
        (plan,) = cursor.fetchone() or ("[]",)
    top = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


def test_the_inbox_question_costs_the_same_with_twenty_thousand_old_events(admin_connection: Any) -> None:
    _events(admin_connection, 200, status="handled")
    _events(admin_connection, 5, status="received", first=100_000)
    small = _blocks(admin_connection, database_checks._INBOX)
    _events(admin_connection, 20_000, status="received", first=200_000)
    _sql(admin_connection, "UPDATE webhooks_inboxevent SET status = 'handled' WHERE event_id >= 'e200'")

    assert _blocks(admin_connection, database_checks._INBOX) <= small + 3
    # Negative control: the same question without the index touches the whole table.
    whole = database_checks._INBOX.replace("min(next_attempt_at)", "min(next_attempt_at + interval '0')")
    assert _blocks(admin_connection, whole.replace("status IN", "'' || status IN")) > 50 + small


def test_the_payout_question_costs_the_same_with_many_settled_payouts(admin_connection: Any) -> None:
    [payout] = Scene().ready()
    _sql(admin_connection, "UPDATE payouts_payout SET next_attempt_at = now()")
    small = _blocks(admin_connection, database_checks._PAYOUTS)
    _copy_payouts(admin_connection, payout.id, 20_000)
    _sql(admin_connection, "ANALYZE payouts_payout")

    assert _blocks(admin_connection, database_checks._PAYOUTS) <= small + 5


def _copy_payouts(admin: Any, payout_id: object, count: int) -> None:
    """Settled copies, past triggers and keys: only their number matters."""
    with admin.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
            " WHERE table_name = 'payouts_payout'"
            " AND column_name NOT IN ('id', 'next_attempt_at', 'status', 'to_address')"
        )
        (columns,) = cursor.fetchone()
        cursor.execute(
            "SET session_replication_role = replica;"
            f" INSERT INTO payouts_payout (id, next_attempt_at, status, to_address, {columns})"
            f" SELECT gen_random_uuid(), NULL, 'cancelled', '0x' || lpad(to_hex(n), 40, '0'), {columns}"
            f" FROM payouts_payout, generate_series(1, {count}) n WHERE id = %s;"
            " RESET session_replication_role",
            [str(payout_id)],
        )


def test_a_real_worker_makes_the_worker_check_pass(celery_worker: WorkerProcess) -> None:
    wait_until(lambda: ask()[1]["worker"]["ok"], 15, "the worker is heard")


@pytest.mark.isolation("every endpoint")
def test_neither_page_tells_of_a_site_or_a_secret(all_well: None, admin_connection: Any) -> None:
    scene = Scene("ZEBRA")
    scene.ready()
    _events(admin_connection, 1, status="received")
    _sql(admin_connection, "UPDATE payouts_payout SET next_attempt_at = now() - interval '5 minutes'")
    with admin_connection.cursor() as cursor:
        cursor.execute("SELECT id::text, code, name FROM sites_site")
        planted = {word for row in cursor.fetchall() for word in row}
        cursor.execute("SELECT id::text, to_address, amount_base_units::text FROM payouts_payout")
        planted |= {word for row in cursor.fetchall() for word in row}

    for path in ("/ready/", "/version/"):
        for headers in ({}, {"X-Site-Code": scene.site.code}, {"Authorization": "Bearer nonsense"}):
            text = Client().get(path, headers=headers).content.decode()
            hidden = {*planted, *SECRETS, urlsplit(os.environ["DATABASE_URL"]).password or "?", "127.0.0.1"}
            assert [word for word in hidden if word in text] == []
    assert re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", json.dumps(ask()[1])) is None


@pytest.mark.parametrize("path", ["/ready/", "/version/"])
def test_the_pages_are_read_only_and_never_cached(path: str) -> None:
    assert Client().post(path).status_code == 405
    assert "no-store" in Client().get(path).headers["Cache-Control"]


def test_the_version_is_the_builds() -> None:
    body = Client().get("/version/").json()

    assert body["version"] == settings.VERSION
    assert datetime.fromisoformat(body["started_at"]) <= timezone.now() + timedelta(seconds=1)
