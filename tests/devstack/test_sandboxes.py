"""python -m devstack.sandboxes as a process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.devstack.receiver import eventually
from tests.devstack.test_fireblocks_sandbox import public_pem

BACKEND = Path(__file__).resolve().parents[2] / "backend"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "POSX_STATE_DIR": str(tmp_path),
        "STRIPE_SANDBOX_PORT": str(free_port()),
        "FIREBLOCKS_SANDBOX_PORT": str(free_port()),
        "ISSUER_PORT": str(free_port()),
        "STRIPE_SECRET_KEY": "sk_test_sandbox",
        "STRIPE_WEBHOOK_SECRETS": "whsec_one,whsec_two",
        "FIREBLOCKS_API_KEY": "key",
        "FIREBLOCKS_CLIENT_PUBLIC_KEY": public_pem().replace("\n", "\\n"),
        "AUTH0_AUDIENCE": "https://api.posx.test",
    }


@pytest.fixture
def running(environment: dict[str, str]) -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "devstack.sandboxes"],
        cwd=BACKEND,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def answers(port: str, path: str) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}{path}", timeout=2).ok
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_three_start_and_stop(
    environment: dict[str, str], running: list[subprocess.Popen[str]], number: signal.Signals
) -> None:
    process = start(environment)
    running.append(process)
    eventually(lambda: answers(environment["ISSUER_PORT"], "/.well-known/jwks.json"), deadline_s=30)
    assert answers(environment["STRIPE_SANDBOX_PORT"], "/")
    assert answers(environment["FIREBLOCKS_SANDBOX_PORT"], "/")

    process.send_signal(number)

    output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert "sandboxes ready" in output


def test_a_taken_port_is_named(environment: dict[str, str], running: list[subprocess.Popen[str]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = start({**environment, "FIREBLOCKS_SANDBOX_PORT": port})
        running.append(process)

        _, errors = process.communicate(timeout=30)

    assert process.returncode == 2
    assert f"fireblocks sandbox: cannot listen on 127.0.0.1:{port}" in errors


def test_everything_missing_is_named(
    environment: dict[str, str], running: list[subprocess.Popen[str]]
) -> None:
    process = start({**environment, "STRIPE_SECRET_KEY": "", "AUTH0_AUDIENCE": ""})
    running.append(process)

    _, errors = process.communicate(timeout=30)

    assert process.returncode == 2
    assert "STRIPE_SECRET_KEY, AUTH0_AUDIENCE" in errors
