"""Real Celery worker processes for tests: started, asked, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import redis

from devstack.processes import spawn, stop_group
from tests.servers import BACKEND, SERVERS_DIRECTORY
from tests.waiting import wait_until

_started: list[WorkerProcess] = []


def stop_workers() -> None:
    """Stop every worker of this process, for a test that must find none: their fixtures start them again."""
    for worker in _started:
        if worker.running():
            worker.stop()


class WorkerProcess:
    """One `celery -A config worker` with this test process' database and Redis database.

    `environment` adds variables; `options` adds words to the command line.
    """

    def __init__(
        self, name: str, *, options: tuple[str, ...] = (), environment: dict[str, str] | None = None
    ) -> None:
        self.name = f"{name}-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}@posx"
        self.log = Path(os.environ[SERVERS_DIRECTORY]) / f"worker-{self.name}.log"
        self._options = options
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout_s: float = 30.0) -> WorkerProcess:
        """Start the process and wait until it answers a ping."""
        command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-n", self.name]
        command += [
            "--concurrency=2",
            "--loglevel=INFO",
            "--without-gossip",
            "--without-mingle",
            *self._options,
        ]
        environment = {**os.environ, "PYTHONPATH": str(BACKEND), **self._environment}
        with self.log.open("ab") as log:
            self._process = spawn(command, output=log, cwd=BACKEND, env=environment)
        try:
            wait_until(self._answers_or_died, timeout_s, f"{self.name} answers a ping")
        except TimeoutError as error:
            raise RuntimeError(f"{error}\n{self.log_text()}") from error
        if not self.running():
            raise RuntimeError(f"{self.name} ended at once:\n{self.log_text()}")
        if self not in _started:
            _started.append(self)
        return self

    def running(self) -> bool:
        """Whether the main process lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL to the main process and its children at once, as a lost machine does."""
        self._end((signal.SIGKILL, 5.0))

    def stop(self) -> None:
        """Warm shutdown; SIGKILL after 10 s."""
        self._end((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))

    def wait_idle(self, timeout_s: float = 20.0) -> None:
        """Wait until no task runs or waits in the worker. Raises TimeoutError."""
        wait_until(lambda: self.running() is False or self._idle(), timeout_s, f"{self.name} is idle")

    def listen(self) -> None:
        """Take doorbells (again, after `deafen`)."""
        self._consume("add_consumer")

    def deafen(self) -> None:
        """Take no more doorbells: a test that did not ask for a worker rings into an empty house."""
        self._consume("cancel_consumer")

    def log_text(self, from_byte: int = 0, limit_bytes: int = 20_000) -> str:
        """What the worker wrote since `from_byte`, at most the last `limit_bytes`."""
        written = self.log.read_bytes()[from_byte:] if self.log.exists() else b""
        return written[-limit_bytes:].decode(errors="replace")

    def log_size_bytes(self) -> int:
        """The present end of the log."""
        return self.log.stat().st_size if self.log.exists() else 0

    def _end(self, *signals: tuple[signal.Signals, float]) -> None:
        process, self._process = self._process, None
        if process is not None:
            stop_group(process.pid, signals=signals)
            process.wait(timeout=10)

    def _consume(self, command: str) -> None:
        from config.celery import app

        def asked() -> bool:
            replies = app.control.broadcast(
                command,
                arguments={"queue": "celery"},
                destination=[self.name],
                reply=True,
                timeout=2.0,
                limit=1,
            )
            return bool(replies)

        wait_until(lambda: _unless_cut(asked), 10.0, f"{self.name} answers {command}")

    def _answers_or_died(self) -> bool:
        from config.celery import app

        def asked() -> bool:
            return bool(app.control.ping(destination=[self.name], timeout=1.0, limit=1))

        return not self.running() or _unless_cut(asked)

    def _idle(self) -> bool:
        from config.celery import app

        def asked() -> bool:
            inspect = app.control.inspect(destination=[self.name], timeout=2.0, limit=1)
            answers = [inspect.active(), inspect.reserved()]
            return all(answer is not None and not any(answer.values()) for answer in answers)

        return _unless_cut(asked)


def _unless_cut(asked: Callable[[], bool]) -> bool:
    """Its answer; False when a test before cut the pool's connection (test_doorbells): the next try opens another."""
    try:
        return asked()
    except redis.ConnectionError:
        return False
