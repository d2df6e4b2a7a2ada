"""Child processes that cannot outlive the stack, and the end of those that a killed stack left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil  # type: ignore[import-untyped]

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: dlopen in a forked child of a process with threads may deadlock.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(death_signal: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """A `preexec_fn`: the kernel sends `death_signal` to the child when the thread that made it ends (Linux).

    Elsewhere it does nothing; the pid files of the servers are the second line.
    """
    parent = os.getpid()

    def arm() -> None:
        if _LIBC is None:
            return
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            # The parent died between fork and prctl: nobody would ever send the signal.
            os._exit(1)

    return arm


def spawn(
    command: Sequence[str],
    *,
    output: int | IO[bytes],
    errors: int | IO[bytes] = subprocess.STDOUT,
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    user: str | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start `command` in its own session (a terminal's Ctrl-C does not reach it), tied to this process' life.

    stdout goes to `output`, stderr there too or to `errors`; `user` is switched to when this process is root.
    """
    groups: list[str | int] | None = [] if user else None
    with _signals_wait():
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=None if env is None else dict(env),
            cwd=cwd,
            user=user,
            group=user,
            extra_groups=groups,
            start_new_session=True,
            preexec_fn=die_with_parent(death_signal),
        )


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Requests to stop that come meanwhile are delivered at the end.

    With a preexec_fn, Python runs the hooks that modules registered around a fork, logging's lock among them. A handler
    that raises inside one is ignored there: Ctrl-C is lost, the lock stays taken, and no other thread can ever fork.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers run in the main thread only
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda which, _: came.append(which)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for which in came:
            signal.raise_signal(which)


def wait_gone(pid: int, timeout_s: float) -> bool:
    """Whether the process `pid` (a child or not) is gone within `timeout_s`; a zombie counts as gone."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def is_running(pid: int, *needles: str) -> bool:
    """Whether `pid` lives and its command line holds every needle (pids are reused)."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        command = " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return all(needle in command for needle in needles)


def start_time(pid: int) -> float | None:
    """When `pid` started; with the pid it names one process for good. None when there is none."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def stop_group(pid: int, *, signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn to the group that `pid` leads, until the whole group is gone."""
    for number, timeout_s in signals:
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        if _group_gone(pid, timeout_s):
            return


def _group_gone(group: int, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not any(_in_group(process, group) for process in psutil.process_iter()):
            return True
        time.sleep(0.03)
    return False


def _in_group(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
        return False
