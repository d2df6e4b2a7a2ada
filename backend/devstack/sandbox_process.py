"""The three sandboxes as one child process of a stack."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from devstack.environment import BACKEND
from devstack.ports import HOST
from devstack.processes import spawn, stop_group

READY_TIMEOUT_S = 60.0


class SandboxesFailedError(Exception):
    """They did not start; the message holds the end of their log."""


class SandboxProcess:
    """`python -m devstack.sandboxes` with its state under ``home``; ``ports`` names stripe, fireblocks and issuer."""

    def __init__(self, home: Path, log: Path, ports: Mapping[str, int]) -> None:
        self._home, self._log, self._ports = home, log, ports
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str], *, webhook_base_url: str) -> None:
        """Start and wait until all three answer. Raises SandboxesFailedError."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        own = {
            **environment,
            "STRIPE_SANDBOX_PORT": str(self._ports["stripe"]),
            "FIREBLOCKS_SANDBOX_PORT": str(self._ports["fireblocks"]),
            "ISSUER_PORT": str(self._ports["issuer"]),
            "WEBHOOK_BASE_URL": webhook_base_url,
        }
        command = [sys.executable, "-m", "devstack.sandboxes", "--state-dir", str(self._home)]
        with self._log.open("ab") as log:
            self._process = spawn(command, output=log, env=own, cwd=BACKEND)
        pages = [f"{self.url('stripe')}/", f"{self.url('fireblocks')}/"]
        pages.append(f"{self.url('issuer')}/.well-known/jwks.json")
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not all(map(answers, pages)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SandboxesFailedError(f"The sandboxes did not start:\n{tail(self._log)}")
            time.sleep(0.05)

    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """SIGTERM, then SIGKILL; does nothing when it was not started."""
        if self._process is not None:
            stop_group(self._process.pid, signals=((signal.SIGTERM, 8.0), (signal.SIGKILL, 5.0)))

    def url(self, name: str) -> str:
        """The address of one of the three, without a trailing slash."""
        return f"http://{HOST}:{self._ports[name]}"


def answers(url: str) -> bool:
    """Whether a page is there."""
    try:
        return requests.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        # Not listening yet: asked again until the caller's deadline.
        return False


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""
