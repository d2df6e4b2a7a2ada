"""An embedded PostgreSQL on 127.0.0.1: scram passwords, kept data, root allowed (see postgres_place)."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg2

from devstack.ports import HOST, free_port
from devstack.postgres_place import (
    PostgresFailedError,
    cluster_directory,
    give_to,
    program_path,
    system_user,
)
from devstack.processes import is_running, spawn, wait_gone

SUPERUSER = "postgres"
START_TIMEOUT_S = 30.0
# Nothing of the user's environment: PGDATA, PGPORT or LANG would change the server.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class PostgresServer:
    """One server. `data_dir` is kept: password, log, and the data or a pointer to it."""

    def __init__(self, data_dir: Path, port: int | None = None, durable: bool = True) -> None:
        """`durable=False` switches fsync off: for tests, as a crash of the machine may lose data."""
        self.home = data_dir
        self.port = port or 0
        self.durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start (after stopping a left-over server on the same data) and return the superuser's URL."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._user = system_user()
        self._cluster = cluster_directory(self.home, self._user)
        self._stop_leftover()
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise()
        self.port = self.port or free_port()
        with self._log.open("ab") as log:
            self._process = spawn(
                [str(program_path("postgres", self._user)), "-D", str(self._cluster), *self._options()],
                output=log,
                env=_ENVIRONMENT,
                cwd="/",
                user=self._user,
                death_signal=signal.SIGINT,  # fast shutdown; SIGTERM would wait for every client to leave
            )
        self._wait_ready()
        return self.url()

    def stop(self) -> None:
        """Fast shutdown, then harder; does nothing when it is not running."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(number)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                continue
            return

    def running(self) -> bool:
        """Whether the server that this object started is alive."""
        return self._process is not None and self._process.poll() is None

    def url(self, database: str = "postgres") -> str:
        """The superuser's URL of `database`."""
        return f"postgresql://{SUPERUSER}:{self._password()}@{HOST}:{self.port}/{database}"

    def ensure_database(self, name: str) -> str:
        """Create `name` (of our own code) when it is missing; returns the superuser's URL of it."""
        connection = psycopg2.connect(self.url())
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{name}"')
        finally:
            connection.close()
        return self.url(name)

    def log_tail(self, lines: int = 15) -> str:
        """The end of the server's log."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    @property
    def _log(self) -> Path:
        return self.home / "postgres.log"

    def _password(self) -> str:
        return (self.home / "superuser-password").read_text().strip()

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",  # a socket's path may be longer than the system allows
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _initialise(self) -> None:
        password = self.home / "superuser-password"
        _write_secret(password, secrets.token_urlsafe(24))
        handed_over = self._cluster.parent / "initdb-password"
        _write_secret(handed_over, password.read_text())
        give_to(handed_over, self._user)
        command = [str(program_path("initdb", self._user)), "-D", str(self._cluster), "-U", SUPERUSER]
        command += [
            "--auth=scram-sha-256",
            f"--pwfile={handed_over}",
            "--encoding=UTF8",
            "--locale-provider=builtin",  # PostgreSQL's own C.UTF-8: the same order on every machine
            "--builtin-locale=C.UTF-8",
            "--locale=C",
        ]
        if not self.durable:
            command.append("--no-sync")
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                env=_ENVIRONMENT,
                cwd="/",
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
                check=False,
            )
        finally:
            handed_over.unlink()
        if done.returncode:
            shutil.rmtree(self._cluster, ignore_errors=True)
            raise PostgresFailedError(f"initdb failed:\n{done.stderr or done.stdout}")

    def _stop_leftover(self) -> None:
        """Remove a stale postmaster.pid; stop the server of a stack that died without stopping it."""
        pid_file = self._cluster / "postmaster.pid"
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text().split()[0])
        if not is_running(pid, "postgres", str(self._cluster)):
            # PostgreSQL itself refuses to start when a stranger got the pid after a reboot.
            pid_file.unlink(missing_ok=True)
            return
        for number in (signal.SIGINT, signal.SIGQUIT):
            os.kill(pid, number)
            if wait_gone(pid, 15):
                return
        raise PostgresFailedError(f"The PostgreSQL of an earlier run (pid {pid}) does not stop.")

    def _wait_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                psycopg2.connect(self.url(), connect_timeout=2).close()
            except psycopg2.OperationalError:
                # Not listening yet, or still starting up: asked again until the deadline.
                time.sleep(0.05)
                continue
            if self._process.poll() is None:
                return
        tail = self.log_tail()
        self.stop()
        raise PostgresFailedError(
            f"PostgreSQL did not start on {HOST}:{self.port}. The end of {self._log}:\n{tail}"
        )


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
