"""A real PgBouncer in transaction mode before this run's PostgreSQL, set up as docs/connections.md says."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from config.logins import APP_LOGIN, app_database
from devstack.ports import HOST, free_port
from devstack.postgres_place import give_to, system_user
from devstack.processes import spawn, stop_group
from tests.servers import SERVERS_DIRECTORY
from tests.waiting import wait_until

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
# Fewer connections than the web has threads: what one request left behind would meet another.
POOL_SIZE = 2
SETTINGS = """\
[databases]
* = host={server_host} port={server_port}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool_size}
ignore_startup_parameters = options,extra_float_digits
"""


@contextmanager
def pooler() -> Iterator[str]:
    """The address that DATABASE_APP_URL is set to: no login in it. Its log goes into the run's directory."""
    assert PROGRAM is not None
    server = urlsplit(os.environ["DATABASE_URL"])
    home = Path(os.environ[SERVERS_DIRECTORY]) / f"pooler-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    home.mkdir(exist_ok=True)
    home.chmod(0o711)
    port, user = free_port(), system_user()
    users, settings, log = home / "users.txt", home / "pgbouncer.ini", home / "pgbouncer.log"
    users.write_text(f'"{APP_LOGIN}" "{app_database(os.environ["DATABASE_URL"])["PASSWORD"]}"\n')
    settings.write_text(
        SETTINGS.format(
            server_host=server.hostname,
            server_port=server.port,
            host=HOST,
            port=port,
            users=users,
            pool_size=POOL_SIZE,
        )
    )
    for file in (users, settings):
        give_to(file, user)
    with log.open("ab") as output:
        process = spawn([PROGRAM, str(settings)], output=output, user=user)
    try:
        wait_until(lambda: process.poll() is not None or _listens(port), 10, "PgBouncer listens")
        assert process.poll() is None, log.read_text()
        yield f"postgresql://{HOST}:{port}{server.path}"
    finally:
        stop_group(process.pid, signals=((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)))
        process.wait(timeout=10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
