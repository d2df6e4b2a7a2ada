"""docs/api.md: its commands, word for word, against real servers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from devstack.issuer import LocalIssuer
from devstack.stripe_sandbox import StripeSandbox
from tests.journeys.sale_site import given_demo_site
from tests.servers import REPOSITORY

PAGE = REPOSITORY / "docs" / "api.md"
TIMEOUT_S = 90.0
# What the page says behind a command, and what the last commands end with.
TOLD = [
    "no_site",
    "not_authenticated",
    "unknown_site",
    "permission_denied",
    "address_checksum",
    "idempotency_key_missing",
    "Idempotency-Replayed: true",
    "idempotency_key_reused",
    "Seed round",
    "succeeded",
    "paid",
    "approved",
    "0x",
    "wants you to sign in with your Ethereum account",
    "host_private",
    "whsec_",
    "False",
]


@pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="the page's commands need bash and curl"
)
@pytest.mark.usefixtures("fireblocks_sandbox", "celery_worker")
def test_the_page_s_commands_do_what_it_says(
    app_server: str, stripe_sandbox: StripeSandbox, issuer: LocalIssuer
) -> None:
    given_demo_site()
    addresses = {
        "http://127.0.0.1:8000": app_server,
        "http://127.0.0.1:8010": stripe_sandbox.base_url,
        "http://127.0.0.1:8030": issuer.base_url,
    }
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL))
    for usual, ours in addresses.items():
        assert usual in commands
        commands = commands.replace(usual, ours)

    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", commands],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(".*".join(map(re.escape, TOLD)), done.stdout, re.DOTALL), done.stdout
