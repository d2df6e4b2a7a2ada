"""One running container of Railway: started by a shell, asked for its health, told to stop, killed when it does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from devstack.ports import HOST, free_port
from devstack.processes import spawn, stop_group
from devstack.railway.build import Image
from devstack.railway.specs import ServiceSpec

HEALTHCHECK_HOST = "healthcheck.railway.app"
POLL_S = 0.05


class DeploymentFailedError(Exception):
    """The pre-deploy command failed, the process ended, or its health was not 200 in time; with its last lines."""


@dataclass(frozen=True)
class Stop:
    """How a container ended: its exit code, how long it took, whether SIGKILL was needed."""

    code: int
    took_s: float
    killed: bool


class Deployment:
    """A service's container. `variables` are resolved; the log files are what Railway would show."""

    def __init__(self, image: Image, spec: ServiceSpec, variables: Mapping[str, str], log: Path) -> None:
        self.spec = spec
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._image = image
        self._log = log
        self._environment = {
            **image.environment(),
            **variables,
            "PORT": str(self.port),
            "RAILWAY_SERVICE_NAME": spec.name,
            "RAILWAY_ENVIRONMENT_NAME": "production",
            "RAILWAY_REPLICA_ID": os.urandom(8).hex(),
            "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": str(spec.draining_s),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, timeout_s: float = 60.0) -> Deployment:
        """Launch, and wait for the health check when there is one. Raises DeploymentFailedError."""
        self.launch()
        if self.spec.healthcheck_path:
            self.wait_healthy(timeout_s)
        return self

    def launch(self) -> Deployment:
        """Pre-deploy, then start and wait for nothing. Raises DeploymentFailedError."""
        for command in self.spec.pre_deploy:
            self._pre_deploy(command)
        with self._log.open("ab") as output, self._errors.open("ab") as errors:
            # As the image's entry point does; a last command behind && takes the shell's place, and so its signals.
            self._process = spawn(
                ["/bin/bash", "-c", self._here(self.spec.start)],
                output=output,
                errors=errors,
                env=self._environment,
                cwd=self._image.app,
            )
        return self

    def wait_healthy(self, timeout_s: float) -> None:
        """Until Railway would send it requests. Raises DeploymentFailedError."""
        deadline = time.monotonic() + timeout_s
        while not self.healthy():
            if not self.running() or time.monotonic() > deadline:
                self.kill()
                story = f"{self.text()[-2000:]}{self.errors()[-2000:]}"
                raise DeploymentFailedError(f"{self.spec.name} never became healthy:\n{story}")
            time.sleep(POLL_S)

    def healthy(self) -> bool:
        """Railway's question: exactly 200 for the path, over plain HTTP, without following redirects."""
        try:
            answer = requests.get(
                f"{self.url}{self.spec.healthcheck_path}",
                headers={"Host": HEALTHCHECK_HOST},
                timeout=5,
                allow_redirects=False,
            )
        except requests.RequestException:
            return False
        return answer.status_code == 200

    def shell(self, command: str) -> str:
        """Run a command as `railway ssh` does: in the image, with the service's variables. Returns what it wrote.

        Raises DeploymentFailedError.
        """
        done = subprocess.run(
            ["/bin/bash", "-c", self._here(command)],
            cwd=self._image.app,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DeploymentFailedError(f"`{command}` failed:\n{done.stdout[-2000:]}")
        return done.stdout

    def running(self) -> bool:
        """Whether the main process lives."""
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        """SIGTERM to the main process alone, and no waiting."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def stop(self) -> Stop:
        """SIGTERM to the main process, SIGKILL to everything in the container after the draining time."""
        assert self._process is not None
        process, started_s, killed = self._process, time.monotonic(), False
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=self.spec.draining_s)
        except subprocess.TimeoutExpired:
            killed = True
        self.kill()
        return Stop(code=process.returncode, took_s=time.monotonic() - started_s, killed=killed)

    def kill(self) -> None:
        """End everything in the container at once."""
        if self._process is not None:
            stop_group(self._process.pid, signals=((signal.SIGKILL, 5.0),))
            self._process.wait(timeout=10)

    def text(self) -> str:
        """What came on stdout."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def errors(self) -> str:
        """What came on stderr, which Railway shows as errors."""
        return self._errors.read_text(errors="replace") if self._errors.exists() else ""

    def lines(self) -> list[dict[str, Any]]:
        """Every line of the log as the object that Railway parses; a line that is none has only `message`."""
        return [_parsed(line) for line in self.text().splitlines() if line.strip()]

    @property
    def _errors(self) -> Path:
        return self._log.with_suffix(".errors")

    def _here(self, command: str) -> str:
        return self._image.here(command).replace("0.0.0.0", HOST)  # noqa: S104 - for this machine only

    def _pre_deploy(self, command: str) -> None:
        try:
            told = self.shell(command)
        except DeploymentFailedError as error:
            raise DeploymentFailedError(f"pre-deploy {error}") from None
        with self._log.open("a") as log:
            log.write(told)


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {"message": line}
    return found if isinstance(found, dict) else {"message": line}
