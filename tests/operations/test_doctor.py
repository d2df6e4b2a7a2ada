"""`manage.py doctor`: each fault of its register is made for real, and found with its fix."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection, connections
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from apps.core.heartbeats import heartbeat
from apps.core.leases import renew_lease
from apps.operations.doctor.examination import examine
from apps.operations.doctor.findings import TROUBLES, Finding, Severity
from apps.operations.readiness import QUEUE_LONG
from config.celery import app
from devstack.ports import HOST
from devstack.redis_server import RedisServer


@pytest.fixture
def installation(
    database: None, admin_connection: Any, redis_url: str, settings: Any, monkeypatch: Any, tmp_path: Path
) -> Iterator[SimpleNamespace]:
    """One in which nothing is wrong: a worker and a beat have said that they live, the schedule is written."""
    heartbeat(name="worker", version=django_settings.VERSION)
    renew_lease(name="beat", holder="beat", lease_s=60)
    for name, entry in django_settings.CELERY_BEAT_SCHEDULE.items():
        ModelEntry.from_entry(name, app=app, **entry)

    def sql(statement: str) -> None:
        with admin_connection.cursor() as cursor:
            cursor.execute(statement)

    yield SimpleNamespace(
        sql=sql,
        admin=admin_connection,
        redis_url=redis_url,
        settings=settings,
        patch=monkeypatch,
        home=tmp_path,
    )
    PeriodicTask.objects.all().delete()
    sql("DELETE FROM core_beat_lease")
    sql("DELETE FROM core_worker_heartbeat")


Break = Callable[[Any], AbstractContextManager[None]]
BREAKS: dict[str, Break] = {}


def breaks(name: str) -> Callable[[Callable[[Any], Iterator[None]]], Break]:
    """Registers how the fault of that name is made."""

    def register(function: Callable[[Any], Iterator[None]]) -> Break:
        BREAKS[name] = contextmanager(function)
        return BREAKS[name]

    return register


def _other_login(here: Any, **words: Any) -> None:
    for word, value in words.items():
        here.patch.setitem(connections["default"].settings_dict, word, value)


@breaks("database.unreachable")
def _(here: Any) -> Iterator[None]:
    _other_login(here, PORT=1)
    yield


@breaks("database.refused")
def _(here: Any) -> Iterator[None]:
    _other_login(here, PASSWORD="of-another-day")
    yield


@breaks("database.unsafe_login")
def _(here: Any) -> Iterator[None]:
    admin = django_settings.DATABASE_ADMIN
    _other_login(here, USER=admin["USER"], PASSWORD=admin["PASSWORD"])
    yield


@breaks("database.row_security_off")
def _(here: Any) -> Iterator[None]:
    here.sql("ALTER TABLE tiers_tier NO FORCE ROW LEVEL SECURITY")
    yield
    here.sql("ALTER TABLE tiers_tier FORCE ROW LEVEL SECURITY")


@breaks("database.migrations_pending")
def _(here: Any) -> Iterator[None]:
    here.sql("UPDATE django_migrations SET name = 'later' WHERE app = 'core' AND name = '0001_initial'")
    yield
    here.sql("UPDATE django_migrations SET name = '0001_initial' WHERE app = 'core' AND name = 'later'")


@breaks("database.connections_few")
def _(here: Any) -> Iterator[None]:
    here.settings.PROCESSES = {**django_settings.PROCESSES, "web_replicas": 100}
    yield


@breaks("database.connections_near_limit")
def _(here: Any) -> Iterator[None]:
    with here.admin.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        (used,) = cursor.fetchone()
    name = connection.settings_dict["NAME"]
    here.settings.DATABASE_IS_POOLED = True  # so few are no fault by themselves
    here.sql(f'ALTER DATABASE "{name}" CONNECTION LIMIT {used + 1}')  # room for the doctor alone
    yield
    here.sql(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1')


@breaks("clock.skewed")
def _(here: Any) -> Iterator[None]:
    clock = SimpleNamespace(time=lambda: time.time() + 60)
    here.patch.setattr("apps.operations.doctor.database.time", clock)
    yield


@breaks("redis.unreachable")
def _(here: Any) -> Iterator[None]:
    here.settings.CELERY_BROKER_URL = f"redis://{HOST}:1/0"
    yield


@breaks("redis.refused")
def _(here: Any) -> Iterator[None]:
    here.settings.CELERY_BROKER_URL = here.redis_url.replace("redis://", "redis://default:of-another-day@")
    yield


@breaks("redis.evicts")
def _(here: Any) -> Iterator[None]:
    server = RedisServer(here.home / "redis", durable=False)  # the run's own one is shared
    url = server.start()
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    here.settings.CELERY_BROKER_URL = url
    yield
    server.stop()


@breaks("queue.long")
def _(here: Any) -> Iterator[None]:
    with redis.Redis.from_url(here.redis_url) as client:
        client.rpush("celery", *range(QUEUE_LONG + 1))
        yield
        client.delete("celery")


@breaks("worker.silent")
def _(here: Any) -> Iterator[None]:
    here.sql("UPDATE core_worker_heartbeat SET seen_at = now() - interval '1 hour'")
    yield


@breaks("worker.other_version")
def _(here: Any) -> Iterator[None]:
    heartbeat(name="another", version="0123456789abcdef")
    yield


@breaks("beat.absent")
def _(here: Any) -> Iterator[None]:
    here.sql("DELETE FROM core_beat_lease")
    yield


@breaks("schedule.changed")
def _(here: Any) -> Iterator[None]:
    PeriodicTask.objects.filter(name="sweep-orders").update(enabled=False)
    yield


@breaks("domain.csrf")
def _(here: Any) -> Iterator[None]:
    here.settings.RAILWAY_PUBLIC_DOMAIN = "posx.up.railway.app"
    here.settings.CSRF_TRUSTED_ORIGINS = ["https://testserver"]
    yield


@breaks("domain.hosts")
def _(here: Any) -> Iterator[None]:
    here.settings.CSRF_TRUSTED_ORIGINS = ["https://demo-api.posx.io"]
    yield


@breaks("stripe.key")
def _(here: Any) -> Iterator[None]:
    here.settings.STRIPE_SECRET_KEY = "pk_test_publishable"
    yield


@breaks("stripe.webhook_secret")
def _(here: Any) -> Iterator[None]:
    here.settings.STRIPE_WEBHOOK_SECRETS = ["we_1Endpoint"]
    yield


@breaks("stripe.mode")
def _(here: Any) -> Iterator[None]:
    here.settings.STRIPE_SECRET_KEY = "sk_live_posx"
    yield


def troubles(findings: list[Finding]) -> list[str]:
    return [finding.name for finding in findings if finding.severity is not Severity.OK]


def test_nothing_is_found_where_nothing_is_wrong(installation: Any) -> None:
    assert [finding for finding in examine() if finding.severity is not Severity.OK] == []


@pytest.mark.parametrize("name", TROUBLES)
def test_each_fault_is_found_alone_with_its_fix(name: str, installation: Any) -> None:
    with BREAKS[name](installation):
        findings = examine()

    (finding,) = [each for each in findings if each.severity is not Severity.OK]
    assert finding.name == name
    assert finding.state
    assert finding.meaning
    assert finding.fix
    assert "of-another-day" not in repr(findings)


@pytest.mark.parametrize(
    ("name", "code"),
    [(None, 0), ("schedule.changed", 1), ("worker.silent", 2)],
    ids=["fine", "warning", "broken"],
)
def test_the_exit_code_is_the_worst(name: str | None, code: int, installation: Any) -> None:
    output = StringIO()
    with BREAKS[name](installation) if name else contextmanager(lambda: iter([None]))():
        ended = 0
        try:
            call_command("doctor", json=True, stdout=output)
        except SystemExit as exit_:
            ended = int(str(exit_.code))

    assert ended == code
    report = json.loads(output.getvalue())
    assert report["worst"] == ["ok", "warning", "broken"][code]
    assert ([each["name"] for each in report["findings"] if each["severity"] != "ok"] or [None]) == [name]


def test_the_table_says_what_it_means_and_the_fix(installation: Any) -> None:
    output = StringIO()
    with BREAKS["beat.absent"](installation), pytest.raises(SystemExit):
        call_command("doctor", stdout=output)

    said = output.getvalue()
    assert "broken   beat.absent" in said
    assert TROUBLES["beat.absent"].meaning in said
    assert TROUBLES["beat.absent"].fix in said
