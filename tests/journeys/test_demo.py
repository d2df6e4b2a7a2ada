"""`python -m devstack.demo` as somebody runs it, on a system that is found by its state directory.

The servers are those of this test process; the stack that the demo starts by itself is shown by `make demo` in .ci/run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from devstack.environment import Stack, State
from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.issuer import LocalIssuer
from devstack.story import SALE_STEPS
from devstack.stripe_sandbox import StripeSandbox
from tests.journeys.sale_site import given_demo_site
from tests.servers import BACKEND
from tests.workers import WorkerProcess

TIMEOUT_S = 120.0


@pytest.fixture
def stack(
    app_server: str,
    stripe_sandbox: StripeSandbox,
    fireblocks_sandbox: FireblocksSandbox,
    issuer: LocalIssuer,
    tmp_path: Path,
) -> Stack:
    """This process' servers, announced as a running stack."""
    running = Stack(
        state=State(tmp_path),
        web_url=app_server,
        stripe_url=stripe_sandbox.base_url,
        fireblocks_url=fireblocks_sandbox.base_url,
        issuer_url=issuer.base_url,
        variables={},
        seed=given_demo_site(),
    )
    running.announce()
    return running


def demo(stack: Stack) -> subprocess.CompletedProcess[str]:
    """The sale, to its end; the other story is told by `make demo` and in test_whole_sale.py."""
    command = [sys.executable, "-m", "devstack.demo", "--sale"]
    environment = {"PATH": os.environ["PATH"], "POSX_STATE_DIR": str(stack.state.directory)}
    return subprocess.run(
        command, cwd=BACKEND, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def order_fault(base_url: str, **fault: object) -> None:
    requests.post(f"{base_url}/_sandbox/faults", json=fault, timeout=5).raise_for_status()


def test_it_tells_every_step_and_can_be_repeated(stack: Stack, celery_worker: WorkerProcess) -> None:
    for _ in range(2):
        done = demo(stack)
        assert done.returncode == 0, done.stderr
        assert f"Using the stack that runs at {stack.web_url}" in done.stdout
        assert all(f"{number}/{SALE_STEPS}  " in done.stdout for number in range(1, SALE_STEPS + 1))
        assert "in exactly one transfer" in done.stdout
        # A bar is for terminals only
        assert "\r" not in done.stdout


def test_it_fails_with_one_sentence_when_custody_sent_something_else(
    stack: Stack, celery_worker: WorkerProcess
) -> None:
    order_fault(stack.fireblocks_url, outcome="wrong_amount")
    done = demo(stack)
    assert done.returncode == 1
    assert done.stderr == "\nThe demo failed: the payout came to be held; paid was to be expected.\n"


def test_it_fails_when_the_api_does_not_answer_as_agreed(stack: Stack) -> None:
    stack.seed["site_code"] = "NOWHERE"
    stack.announce()
    done = demo(stack)
    assert done.returncode == 1
    assert done.stderr.startswith("\nThe demo failed: POST me/ answered 404 instead of 201 (unknown_site: ")
