"""Fixtures of all tests: a clean database as the app login, Redis, worker processes, sandboxes."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import requests
from celery import current_app
from cryptography.hazmat.primitives import serialization
from django.db import connections
from pytest_django import DjangoDbBlocker

from apps.core import doorbells
from config.celery import app as celery_app
from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.issuer import LocalIssuer
from devstack.stripe_sandbox import StripeSandbox
from tests.app_server import serve_application
from tests.clients import local_issuer
from tests.databases import Cleaner, connect_as_superuser
from tests.servers import APP_PORT, MIGRATE_FAILURE
from tests.workers import WorkerProcess

_WORKER_LOG = pytest.StashKey[tuple[WorkerProcess, int]]()


@pytest.fixture(autouse=True)
def _process_is_left_as_it_was() -> Iterator[None]:
    """A recursion limit as py_ecc's lets a deep JSON body kill the process; and Celery makes each new application the
    current one unless told not to: later tests would ring elsewhere."""
    limit = sys.getrecursionlimit()
    yield
    assert sys.getrecursionlimit() == limit < 10_000, "import eth-account by account_library() only"
    assert current_app.main == celery_app.main, "pass set_as_current=False to Celery(...)"


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """tests/servers.py made the database; pytest-django must not make one as the app login."""


@pytest.fixture(scope="session")
def _superuser_connection() -> Iterator[Any]:
    if failure := os.environ.get(MIGRATE_FAILURE):
        pytest.fail(failure, pytrace=False)
    connection = connect_as_superuser(os.environ["DATABASE_URL"])
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def _cleaner(_superuser_connection: Any) -> Iterator[Cleaner]:
    connection = connect_as_superuser(os.environ["DATABASE_URL"])
    yield Cleaner(connection)
    connection.close()


@pytest.fixture
def database(_cleaner: Cleaner, django_db_blocker: DjangoDbBlocker, redis_url: str) -> Iterator[None]:
    """An empty database as the login posx_app, with real transactions; everything is removed afterwards."""
    _cleaner.clean()
    with django_db_blocker.unblock():
        yield
        connections.close_all()
    _cleaner.clean()


@pytest.fixture
def admin_connection(database: None, _superuser_connection: Any) -> Any:
    """psycopg2 as the superuser in autocommit: sees every site, and is refused nothing."""
    return _superuser_connection


@pytest.fixture
def redis_url() -> Iterator[str]:
    """The URL of this process' Redis database, empty."""
    url = os.environ["REDIS_URL"]
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    # A test that took the broker away leaves the doorbell quiet for some seconds.
    doorbells._bell._quiet_until_s = 0.0
    yield url


@pytest.fixture(scope="session")
def _worker_process() -> Iterator[WorkerProcess]:
    worker = WorkerProcess("tests")
    yield worker
    worker.stop()


@pytest.fixture
def celery_worker(
    database: None, _worker_process: WorkerProcess, request: pytest.FixtureRequest
) -> Iterator[WorkerProcess]:
    """A running worker process, shared by the tests of this process; a test that kills it gets it back."""
    if _worker_process.running():
        _worker_process.listen()
    else:
        _worker_process.start()
    request.node.stash[_WORKER_LOG] = (_worker_process, _worker_process.log_size_bytes())
    yield _worker_process
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.delete("celery")  # what still waits in the queue would run against the next test's rows
    if _worker_process.running():
        _worker_process.deafen()
        _worker_process.wait_idle()


def _port(variable: str) -> int:
    return urlsplit(os.environ[variable]).port or 0


def _webhook_url(provider: str) -> str:
    return f"http://127.0.0.1:{os.environ[APP_PORT]}/api/v1/webhooks/{provider}/"


@pytest.fixture
def app_server(database: None) -> Iterator[str]:
    """The application over HTTP, at the address that the sandboxes send their webhooks to."""
    with serve_application(int(os.environ[APP_PORT])) as url:
        yield url


@pytest.fixture(scope="session")
def _stripe_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeSandbox]:
    sandbox = StripeSandbox(
        _state_file(tmp_path_factory, "stripe"),
        _port("STRIPE_API_BASE"),
        os.environ["STRIPE_SECRET_KEY"],
        _webhook_url("stripe"),
        os.environ["STRIPE_WEBHOOK_SECRETS"].split(",")[0],
    )
    sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture(scope="session")
def _fireblocks_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FireblocksSandbox]:
    sandbox = FireblocksSandbox(
        _state_file(tmp_path_factory, "fireblocks"),
        _port("FIREBLOCKS_API_BASE"),
        os.environ["FIREBLOCKS_API_KEY"],
        _public_half(os.environ["FIREBLOCKS_PRIVATE_KEY"]),
        _webhook_url("fireblocks"),
        step_s=0.05,
    )
    sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def stripe_sandbox(_stripe_sandbox: StripeSandbox) -> StripeSandbox:
    """Stripe where the settings look for it, empty and without faults."""
    _reset(_stripe_sandbox.base_url, _webhook_url("stripe"))
    return _stripe_sandbox


@pytest.fixture
def fireblocks_sandbox(_fireblocks_sandbox: FireblocksSandbox) -> FireblocksSandbox:
    """Fireblocks where the settings look for it, empty and without faults."""
    _reset(_fireblocks_sandbox.base_url, _webhook_url("fireblocks"))
    return _fireblocks_sandbox


@pytest.fixture(scope="session")
def issuer() -> LocalIssuer:
    """The issuer that the settings trust; `issuer.mint(subject)` is a bearer token."""
    return local_issuer()


def _state_file(factory: pytest.TempPathFactory, name: str) -> Path:
    return factory.mktemp(name) / "state.sqlite3"


def _public_half(private_pem: str) -> str:
    key = serialization.load_pem_private_key(private_pem.encode(), password=None).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


def _reset(base_url: str, webhook_url: str) -> None:
    requests.delete(f"{base_url}/_sandbox/faults", timeout=5).raise_for_status()
    requests.post(f"{base_url}/_sandbox/reset", timeout=5).raise_for_status()
    endpoint = {"url": webhook_url}
    requests.put(f"{base_url}/_sandbox/webhook_endpoint", json=endpoint, timeout=5).raise_for_status()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the worker wrote during the test."""
    report = yield
    if report.failed and _WORKER_LOG in item.stash:
        worker, start = item.stash[_WORKER_LOG]
        report.sections.append((f"output of {worker.name}", worker.log_text(start)))
    return report
