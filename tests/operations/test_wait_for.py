"""`manage.py wait_for` and the waiting of `manage.py migrate`: a line a try, a limit, and an end by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from apps.core.waiting import LONGEST_PAUSE_S, Need, StillMissing, wait_for
from devstack.ports import HOST, free_port
from tests.servers import BACKEND
from tests.tcp_door import door_to

pytestmark = pytest.mark.usefixtures("database")


def manage(*words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", *words],
        cwd=BACKEND,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def result(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def _lines(process: subprocess.Popen[str], words: str) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            yield line


def test_all_there() -> None:
    assert result(manage("wait_for")) == (0, "Ready: database, redis, migrations.\n")


def test_it_goes_on_when_the_server_comes() -> None:
    with door_to(os.environ["DATABASE_URL"]) as door:
        waiting = manage("wait_for", "database", DATABASE_URL=door.url(os.environ["DATABASE_URL"]))
        assert "Waiting for the database, try 1" in next(_lines(waiting, "Waiting"))
        door.open()
        status, rest = result(waiting)

    assert status == 0
    assert rest.endswith("Ready: database.\n")


@pytest.mark.parametrize(
    ("need", "variable", "url"),
    [
        ("database", "DATABASE_URL", "postgresql://postgres:pl4nted@{address}/none"),
        ("migrations", "DATABASE_URL", "postgresql://postgres:pl4nted@{address}/none"),
        ("redis", "REDIS_URL", "redis://default:pl4nted@{address}/0"),
    ],
)
def test_it_gives_up_and_says_why(need: str, variable: str, url: str) -> None:
    address = f"{HOST}:{free_port()}"
    status, output = result(
        manage("wait_for", need, "--timeout", "1", **{variable: url.format(address=address)})
    )

    assert status == 1
    assert "Gave up waiting for" in output
    assert "onnect" in output
    assert "Traceback" not in output
    assert "pl4nted" not in output


def test_an_unknown_need_is_named() -> None:
    status, output = result(manage("wait_for", "kafka"))

    assert status == 1
    assert "kafka" in output


def test_migrate_waits_for_a_server_that_is_away() -> None:
    with door_to(os.environ["DATABASE_URL"]) as door:
        migrating = manage("migrate", DATABASE_URL=door.url(os.environ["DATABASE_URL"]))
        assert "try 1" in next(_lines(migrating, "Waiting for PostgreSQL"))
        door.open()
        status, rest = result(migrating)

    assert status == 0, rest
    assert "going on" in rest
    assert "Row security is in force" in rest


def test_migrate_gives_up_at_its_limit() -> None:
    url = f"postgresql://postgres:pl4nted@{HOST}:{free_port()}/none"
    status, output = result(manage("migrate", "--wait", "1", DATABASE_URL=url))

    assert status == 1
    assert "Gave up waiting for PostgreSQL after 1 s: Database connection failed" in output
    assert "pl4nted" not in output


def test_migrate_does_not_wait_for_a_wrong_password_to_become_right() -> None:
    right = urlsplit(os.environ["DATABASE_URL"])
    url = right._replace(netloc=f"{right.username}:pl4nted@{right.hostname}:{right.port}").geturl()
    status, output = result(manage("migrate", DATABASE_URL=url))

    assert status == 1
    assert "authentication failed" in output
    assert "Waiting" not in output


class _Clock:
    """Something that is missing a number of times, and pauses that are counted."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.pauses: list[float] = []
        self.said: list[str] = []

    def missing(self) -> str:
        self.left -= 1
        return "away" if self.left >= 0 else ""

    def wait(self, timeout_s: float | None = None) -> None:
        need = Need("it", self.missing)
        wait_for([need], say=self.said.append, timeout_s=timeout_s, pause=self.pauses.append)


def test_pauses_double_up_to_a_limit() -> None:
    clock = _Clock(8)
    clock.wait()

    assert clock.pauses == [0.5, 1, 2, 4, 8, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert len(clock.said) == 9


def test_no_time_is_no_second_try() -> None:
    with pytest.raises(StillMissing, match="it after 0 s: away"):
        _Clock(1).wait(timeout_s=0)


def test_what_is_there_is_not_talked_about() -> None:
    clock = _Clock(0)
    clock.wait()

    assert clock.said == []
