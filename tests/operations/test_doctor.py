"""`manage.py doctor`: each fault of its register is made for real, and found with its fix."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psycopg2
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
from apps.operations.doctor.surroundings import QUEUE_SHORT
from apps.operations.readiness import QUEUE_LONG
from apps.payouts.fence import fence_close
from apps.payouts.leases import lease_due, send_counted
from apps.vesting.services import allocation_grant
from config.celery import app
from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.ports import HOST
from devstack.redis_server import RedisServer
from devstack.stripe_sandbox import StripeSandbox
from tests.config.test_env import COMPLETE
from tests.factories import in_site, make_policy
from tests.http_peers import Answer, running_peer
from tests.journeys.black_hole import black_hole
from tests.orders.scene import Sale
from tests.payouts.scenes import LONG_AGO, TOKEN, Scene
from tests.servers import BACKEND

BEFORE_START = ("modules.missing", "variables.missing")


@pytest.fixture
def installation(
    database: None,
    admin_connection: Any,
    redis_url: str,
    stripe_sandbox: StripeSandbox,
    fireblocks_sandbox: FireblocksSandbox,
    settings: Any,
    monkeypatch: Any,
    tmp_path: Path,
) -> Iterator[SimpleNamespace]:
    """One in which nothing is wrong: a worker and a beat have said that they live, the schedule is written, the
    providers answer."""
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
        stripe=stripe_sandbox,
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


@breaks("database.disk_near_limit")
def _(here: Any) -> Iterator[None]:
    here.settings.DATABASE_VOLUME_GB = 0.001
    yield


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


@breaks("redis.memory_near_limit")
def _(here: Any) -> Iterator[None]:
    server = RedisServer(here.home / "redis", durable=False)
    url = server.start()
    with redis.Redis.from_url(url) as client:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", used * 11 // 10)
    here.settings.CELERY_BROKER_URL = url
    yield
    server.stop()


@breaks("queue.growing")
def _(here: Any) -> Iterator[None]:
    here.patch.setattr("apps.operations.doctor.surroundings.QUEUE_PAUSE_S", 0.3)
    stopping = threading.Event()
    with redis.Redis.from_url(here.redis_url) as client:
        client.rpush("celery", *range(QUEUE_SHORT))

        def comes() -> None:
            while not stopping.wait(0.05):
                client.rpush("celery", 1)

        thread = threading.Thread(target=comes)
        thread.start()
        yield
        stopping.set()
        thread.join()
        client.delete("celery")


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


@breaks("inbox.late")
def _(here: Any) -> Iterator[None]:
    here.sql(
        "INSERT INTO webhooks_inboxevent (id, provider, event_id, event_type, object_id, payload_sha256, status,"
        " attempts, next_attempt_at, error_code, received_at) VALUES (gen_random_uuid(), 'stripe', 'evt_1', 't', '',"
        " '', 'received', 0, now() - interval '10 minutes', '', now())"
    )
    yield


@breaks("orders.late")
def _(here: Any) -> Iterator[None]:
    sale = Sale()
    sale.change(sale.place(), next_check_at=LONG_AGO)
    yield


@breaks("releases.late")
def _(here: Any) -> Iterator[None]:
    scene = Scene()
    policy = make_policy(scene.site, "At once", tge_basis_points=10_000, parts=0, cliff_count=0)
    with in_site(scene.site):
        allocation_grant(
            asset_id=scene.asset.id,
            beneficiary_id=scene.buyer().id,
            policy_id=policy.id,
            amount_base_units=TOKEN,
            source_kind="order",
            source_id=uuid4(),
            starts_at=LONG_AGO,
        )
    yield


@breaks("payouts.late")
def _(here: Any) -> Iterator[None]:
    Scene().ready()
    here.sql("UPDATE payouts_payout SET next_attempt_at = now() - interval '5 minutes'")
    yield


@breaks("payouts.stuck")
def _(here: Any) -> Iterator[None]:
    scene = Scene()
    scene.ready()
    scene.sql("UPDATE payouts_payout SET status = 'submitting'")
    scene.sql(
        "UPDATE payouts_payout SET status = 'held', hold_code = 'provider_lost', next_attempt_at = NULL"
    )
    yield


@breaks("payouts.fence")
def _(here: Any) -> Iterator[None]:
    fence_close()
    yield


@breaks("custody.unreachable")
def _(here: Any) -> Iterator[None]:
    here.settings.FIREBLOCKS_API_BASE = f"http://{HOST}:1"
    yield


@breaks("custody.refused")
def _(here: Any) -> Iterator[None]:
    here.settings.FIREBLOCKS_API_KEY = str(uuid4())
    yield


@breaks("custody.key")
def _(here: Any) -> Iterator[None]:
    here.settings.FIREBLOCKS_PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----\n"
    yield


@breaks("node.unreachable")
def _(here: Any) -> Iterator[None]:
    here.settings.EVM_RPC_URLS = {"1": f"http://{HOST}:1/of-another-day"}
    yield


@breaks("node.wrong_chain")
def _(here: Any) -> Iterator[None]:
    with running_peer() as node:
        node.always(Answer(body={"jsonrpc": "2.0", "id": 1, "result": "0x89"}))
        here.settings.EVM_RPC_URLS = {"1": node.url}
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


@breaks("stripe.unreachable")
def _(here: Any) -> Iterator[None]:
    here.settings.STRIPE_API_BASE = f"http://{HOST}:1"
    yield


@breaks("stripe.refused")
def _(here: Any) -> Iterator[None]:
    here.settings.STRIPE_SECRET_KEY = "sk_test_of_another_day"
    yield


@breaks("stripe.webhook_endpoint")
def _(here: Any) -> Iterator[None]:
    url = here.stripe._sender.url
    here.stripe._sender.set_url("https://somewhere.example/api/v1/webhooks/stripe/")
    yield
    here.stripe._sender.set_url(url)


@breaks("stripe.mode")
def _(here: Any) -> Iterator[None]:
    here.settings.STRIPE_SECRET_KEY = "sk_live_posx"
    yield


def troubles(findings: list[Finding]) -> list[str]:
    return [finding.name for finding in findings if finding.severity is not Severity.OK]


def test_nothing_is_found_where_nothing_is_wrong(installation: Any) -> None:
    assert [finding for finding in examine() if finding.severity is not Severity.OK] == []


@pytest.mark.parametrize("name", [name for name in TROUBLES if name not in BEFORE_START])
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


def test_a_payout_that_was_sent_over_an_hour_ago_is_stuck(installation: Any) -> None:
    scene = Scene()
    scene.ready()
    with scene.working():
        leased = lease_due()
        assert leased is not None and send_counted(leased)
    assert troubles(examine()) == []

    scene.sent_before(minutes=61)

    assert troubles(examine()) == ["payouts.stuck"]


def test_several_beats_are_counted_and_no_fault(installation: Any) -> None:
    parts = connection.settings_dict
    words = {"host": parts["HOST"], "port": parts["PORT"], "dbname": parts["NAME"]}
    login = {"user": parts["USER"], "password": parts["PASSWORD"], "application_name": "posx-beat"}
    others = [psycopg2.connect(**words, **login) for _ in range(2)]
    findings = examine()
    for other in others:
        other.close()

    assert troubles(findings) == []
    assert [each.state for each in findings if each.name == "beat"] == [
        "one leads, and sends on time, 1 stand by"
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"interval": None, "crontab": None, "enabled": False}, "sweep-orders is disabled"),
        ({"task": "apps.orders.tasks.something_else"}, "sweep-orders was changed"),
        ({"name": "twice-as-often"}, "sweep-orders is missing; twice-as-often was added by hand"),
    ],
    ids=["disabled", "changed", "added"],
)
def test_what_was_done_to_the_schedule_is_said(change: dict[str, Any], said: str, installation: Any) -> None:
    fields = {name: value for name, value in change.items() if value is not None}
    PeriodicTask.objects.filter(name="sweep-orders").update(**fields)

    assert [each.state for each in examine() if each.name == "schedule.changed"] == [said]


def test_providers_that_hang_cost_their_few_seconds_once(installation: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("apps.operations.doctor.providers.WAIT_S", 0.5)
    with black_hole() as hole:
        installation.settings.FIREBLOCKS_API_BASE = hole.url
        installation.settings.STRIPE_API_BASE = hole.url
        started_s = time.monotonic()
        found = troubles(examine())

    assert found == ["custody.unreachable", "stripe.unreachable"]
    assert time.monotonic() - started_s < 3


def test_a_live_key_is_never_sent_to_a_host_that_is_not_stripes(installation: Any) -> None:
    with running_peer() as foreign:
        installation.settings.STRIPE_SECRET_KEY = "sk_live_posx"
        installation.settings.STRIPE_API_BASE = foreign.url
        assert troubles(examine()) == ["stripe.mode"]

    assert foreign.asked == []


def _doctor(script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """manage.py in a process of its own, after `script` has broken something."""
    code = f"import sys, runpy\nsys.argv = ['manage.py', {', '.join(map(repr, words))}]\n{script}\n"
    return subprocess.run(
        [sys.executable, "-c", code + "runpy.run_path('manage.py', run_name='__main__')"],
        cwd=BACKEND,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("package", ["rest_framework", "django"])
def test_a_missing_module_is_a_finding_too(package: str) -> None:
    done = _doctor(
        f"sys.modules[{package!r}] = None",
        "doctor",
        "--json",
        DJANGO_SETTINGS_MODULE="config.settings.railway",
        **COMPLETE,
    )

    assert (done.returncode, done.stderr) == (2, "")
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["name"] == "modules.missing"
    assert package in finding["state"]
    assert "pip install" in finding["fix"]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DJANGO_SETTINGS_MODULE": "config.settings.railway"}, "SECRET_KEY is missing"),
        ({"DJANGO_SETTINGS_MODULE": "config.settings.production"}, "there is no config.settings.production"),
    ],
    ids=["a variable", "the settings"],
)
def test_missing_variables_are_a_finding_too(environment: dict[str, str], said: str) -> None:
    done = _doctor("", "doctor", **environment)

    assert (done.returncode, done.stderr) == (2, "")
    assert "broken   variables.missing" in done.stdout
    assert said in done.stdout


def test_a_fault_of_our_own_code_keeps_its_traceback() -> None:
    done = _doctor(
        "sys.modules['apps.core.redaction'] = None",
        "doctor",
        DJANGO_SETTINGS_MODULE="config.settings.railway",
        **COMPLETE,
    )

    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_cache_of_its_own_may_evict(installation: Any) -> None:
    server = RedisServer(installation.home / "cache", durable=False)
    url = server.start()
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    installation.settings.REDIS_URL = url
    findings = examine()
    server.stop()

    assert troubles(findings) == []
    assert [each.state.partition(",")[0] for each in findings if each.name == "redis"] == [
        "CELERY_BROKER_URL answers",
        "REDIS_URL answers",
    ]
