"""Web, worker and beat as the deployment starts them: real processes with this test's database and Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import requests

from devstack.ports import HOST, free_port
from devstack.processes import spawn, stop_group
from tests.servers import BACKEND
from tests.waiting import wait_until

# The seed's own words; the programs come from this test's environment.
WORKER = (
    "celery",
    "-A",
    "config",
    "worker",
    "--loglevel=info",
    "--concurrency=2",
    "--max-tasks-per-child=100",
)
BEAT = (
    "celery",
    "-A",
    "config",
    "beat",
    "--loglevel=info",
    "--scheduler",
    "django_celery_beat.schedulers:DatabaseScheduler",
)
SECRETS = ("sk_test_posx", "whsec_test", "test-only-secret-key", "PRIVATE KEY")


class Program:
    """A running process; `says` waits for words in what it wrote."""

    def __init__(self, log: Path, words: tuple[str, ...], environment: dict[str, str] | None = None) -> None:
        self.log = log
        variables = {**os.environ, "PYTHONPATH": str(BACKEND), **(environment or {})}
        with log.open("wb") as output:
            self.process: subprocess.Popen[bytes] = spawn(
                [sys.executable, "-m", *words], output=output, cwd=BACKEND, env=variables
            )

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def says(self, words: str, times: int = 1, timeout_s: float = 25.0) -> None:
        def said() -> bool:
            return self.text().count(words) >= times

        try:
            wait_until(said, timeout_s)
        except TimeoutError as error:
            raise AssertionError(f"never said {words!r}:\n{self.text()}") from error

    def runs(self) -> bool:
        return self.process.poll() is None

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the main process alone, as Railway does."""
        self.process.send_signal(number)

    def ends(self, timeout_s: float = 15.0) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(timeout=timeout_s)

    def kill(self) -> None:
        if self.runs():
            stop_group(self.process.pid, signals=((signal.SIGKILL, 5.0),))
        self.process.wait(timeout=10)


class Web(Program):
    """Gunicorn as the Procfile starts it, on a port of its own."""

    def __init__(self, log: Path, environment: dict[str, str] | None = None) -> None:
        self.url = f"http://{HOST}:{free_port()}"
        bind = self.url.removeprefix("http://")
        words = ("gunicorn", "config.wsgi:application", "--bind", bind, "--workers", "2", "--threads", "2")
        super().__init__(log, (*words, "--timeout", "60"), environment)

    def get(
        self, path: str, timeout_s: float = 10.0, headers: dict[str, str] | None = None
    ) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=timeout_s, headers=headers)

    def healthy(self) -> Web:
        """Wait until it answers its health check."""

        def answers() -> bool:
            # It listens before it has loaded the application: on a busy machine the first answer takes long.
            try:
                return self.get("/health/", timeout_s=2.0).status_code == 200
            except (requests.ConnectionError, requests.Timeout):
                return False

        try:
            wait_until(answers, 25.0)
        except TimeoutError as error:
            raise AssertionError(f"web never became healthy:\n{self.text()}") from error
        return self
