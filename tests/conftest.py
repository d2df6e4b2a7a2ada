"""Fixtures of all tests: a clean database as the app login, Redis, and real worker processes."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import redis
from django.db import connections
from pytest_django import DjangoDbBlocker

from tests.databases import Cleaner, connect_as_superuser
from tests.servers import MIGRATE_FAILURE
from tests.workers import WorkerProcess

_WORKER_LOG = pytest.StashKey[tuple[WorkerProcess, int]]()


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
    if not _worker_process.running():
        _worker_process.start()
    request.node.stash[_WORKER_LOG] = (_worker_process, _worker_process.log_size_bytes())
    yield _worker_process
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.delete("celery")  # what still waits in the queue would run against the next test's rows
    if _worker_process.running():
        _worker_process.wait_idle()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the worker wrote during the test."""
    report = yield
    if report.failed and _WORKER_LOG in item.stash:
        worker, start = item.stash[_WORKER_LOG]
        report.sections.append((f"output of {worker.name}", worker.log_text(start)))
    return report
