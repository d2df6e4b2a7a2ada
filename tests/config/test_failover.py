"""Redis' address moves to another, empty server: the worker goes on there by itself."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

import redis
from celery import Celery

from devstack.redis_server import RedisServer
from tests.programs import WORKER, Program
from tests.tcp_door import door_to

SWEEP = "apps.webhooks.tasks.sweep_inbox"
GOES_ON_WITHIN_S = 10.0


def _ring(url: str) -> None:
    with Celery("ringer", broker=url, set_as_current=False) as ringer:
        ringer.send_task(SWEEP)


def _with_the_password_of(url: str, other: str) -> str:
    """The other server, as a replica is set up: whoever knew the first one's password gets in."""
    password = urlsplit(url).password or ""
    with redis.Redis.from_url(other) as client:
        client.config_set("requirepass", password)
    return other.replace(urlsplit(other).password or "?", password)


def test_a_worker_takes_tasks_from_the_server_that_its_broker_moved_to(
    tmp_path: Path, database: None
) -> None:
    first, second = (RedisServer(tmp_path / name, durable=False) for name in ("first", "second"))
    url = first.start()
    moved_to = _with_the_password_of(url, second.start())
    with door_to(url) as door:
        door.open()
        address = {
            "REDIS_URL": door.url(url),
            "CELERY_BROKER_URL": door.url(url),
            "CELERY_RESULT_BACKEND": door.url(url),
        }
        worker = Program(tmp_path / "worker.log", WORKER, address)
        try:
            _ring(url)
            worker.says(f"Task {SWEEP}", times=2)  # received, succeeded

            door.shut()
            first.stop()
            door.lead_to(moved_to)
            door.open()
            _ring(moved_to)
            moved_s = time.monotonic()
            worker.says(f"Task {SWEEP}", times=4)

            assert time.monotonic() - moved_s < GOES_ON_WITHIN_S
            assert worker.runs()
        finally:
            worker.kill()
            second.stop()
