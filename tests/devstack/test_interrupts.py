"""Ctrl-C while a server is being started is not lost."""

from __future__ import annotations

import subprocess
import sys

from tests.servers import BACKEND

# The signal comes inside a hook that runs around a fork, where an exception would be ignored.
_PROGRAM = """
import os, signal, subprocess
from devstack.processes import spawn

signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background inherits that it is ignored
os.register_at_fork(after_in_parent=lambda: signal.raise_signal(signal.SIGINT))
try:
    spawn(["true"], output=subprocess.DEVNULL)
except KeyboardInterrupt:
    print("stopped")
"""


def test_an_interrupt_during_a_fork_still_stops() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=BACKEND, capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.stdout, done.stderr) == ("stopped\n", "")
