"""The embedded servers: passwords count, data is kept, left-overs are stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from devstack.postgres import PostgresServer
from devstack.postgres_place import remove_data
from devstack.processes import is_running
from devstack.redis_server import RedisServer
from tests.servers import BACKEND
from tests.waiting import wait_until


@pytest.fixture
def postgres_home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "postgres"
    remove_data(tmp_path / "postgres")


def test_postgres_refuses_a_wrong_password_and_keeps_its_data(postgres_home: Path) -> None:
    server = PostgresServer(postgres_home, durable=False)
    url = server.start()
    try:
        server.ensure_database("kept")
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(host="127.0.0.1", port=server.port, user="postgres", password="wrong")
        server.stop()
        assert not server.running()

        assert server.start() == url

        psycopg2.connect(server.url("kept")).close()
    finally:
        server.stop()


def test_postgres_sorts_text_by_code_point_in_utf8(postgres_home: Path) -> None:
    server = PostgresServer(postgres_home, durable=False)
    connection = psycopg2.connect(server.start())
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT datlocale, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'postgres'"
            )
            assert cursor.fetchone() == ("C.UTF-8", "UTF8")
            cursor.execute("SHOW timezone")
            assert cursor.fetchone() == ("UTC",)
    finally:
        connection.close()
        server.stop()


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(postgres_home: Path) -> None:
    server = PostgresServer(postgres_home, durable=False)
    server.start()
    server.stop()
    stranger = subprocess.Popen(["sleep", "30"])
    try:
        (_cluster(postgres_home) / "postmaster.pid").write_text(f"{stranger.pid}\n")

        server.start()

        assert server.running()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        server.stop()


def test_servers_die_with_a_killed_parent_and_the_next_start_finds_the_data(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, time; from devstack.postgres import PostgresServer\n"
        "from devstack.redis_server import RedisServer\n"
        "home = pathlib.Path(sys.argv[1]); postgres = PostgresServer(home / 'postgres'); postgres.start()\n"
        "postgres.ensure_database('kept'); server = RedisServer(home / 'redis'); server.start()\n"
        "import redis; redis.Redis.from_url(server.url()).set('kept', 1)\n"
        "print(postgres._process.pid, server._process.pid, flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    parent = subprocess.Popen(command, cwd=BACKEND, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2

    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    wait_until(lambda: not any(map(is_running, pids)), 15, "the servers end")
    postgres, server = PostgresServer(tmp_path / "postgres"), RedisServer(tmp_path / "redis")
    try:
        postgres.start()
        psycopg2.connect(postgres.url("kept")).close()
        with redis.Redis.from_url(server.start()) as client:
            assert client.get("kept") == b"1"
    finally:
        server.stop()
        postgres.stop()
        remove_data(tmp_path / "postgres")


def test_valkey_asks_for_its_password_and_never_evicts(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, durable=False)
    url = server.start()
    try:
        once = Retry(NoBackoff(), 0)
        with (
            redis.Redis(port=server.port, retry=once) as stranger,
            pytest.raises(redis.exceptions.AuthenticationError),
        ):
            stranger.ping()
        with redis.Redis.from_url(url) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    finally:
        server.stop()


def _cluster(home: Path) -> Path:
    pointer = home / "location"
    return (Path(pointer.read_text().strip()) if pointer.exists() else home) / "cluster"
