"""`python -m devstack up`: a whole stack until Ctrl-C. `env`: the environment of the one that runs. `down`: stop it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from types import FrameType

from devstack.environment import State, as_shell, running_stack, state_directory
from devstack.given_servers import GivenServerError
from devstack.ports import PortTakenError
from devstack.postgres_place import PostgresFailedError, remove_data, remove_program_copy
from devstack.processes import wait_gone
from devstack.redis_server import RedisFailedError
from devstack.screen import welcome
from devstack.stack import LocalStack, StackFailedError

FAILURES = (
    *(StackFailedError, PostgresFailedError, RedisFailedError),
    *(GivenServerError, PortTakenError, ValueError),
)
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _StopRequested(BaseException):
    """Ctrl-C, SIGTERM or a closed terminal. Not an Exception: nothing on the way may take it for a failure."""


def main() -> int:
    """0 when stopped by the user, 1 when something failed."""
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    parser.add_argument("command", choices=["up", "env", "down", "clean"])
    command = parser.parse_args().command
    try:
        return {"up": _up, "env": _env, "down": _down, "clean": _clean}[command]()
    except FAILURES as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def _up() -> int:
    local = LocalStack(
        State(state_directory()), output=sys.stdout, requested_ports=os.environ, servers=os.environ
    )
    for number in STOP_SIGNALS:
        signal.signal(number, _request_stop)
    try:
        print("Starting POSX", flush=True)
        stack = local.start()
        print(welcome(stack), flush=True)
        story = local.watch()
    except _StopRequested:
        print("\nStopping ...", flush=True)
        return 0
    else:
        print(f"\n{story}\nStopping the rest ...", file=sys.stderr, flush=True)
        return 1
    finally:
        local.stop()


def _request_stop(_number: int, _frame: FrameType | None) -> None:
    # A second Ctrl-C must not cut the stopping short: every step of it has its own time limit.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise _StopRequested


def _env() -> int:
    stack = running_stack()
    if stack is None:
        print("No stack is running: make up", file=sys.stderr)
        return 1
    print(as_shell(stack), end="")
    return 0


def _down() -> int:
    stack = running_stack()
    if stack is None:
        return 0
    pid = int(stack.state.read("stack.json")["pid"])
    os.kill(pid, signal.SIGTERM)
    return 0 if wait_gone(pid, 60) else 1


def _clean() -> int:
    """Delete the data of PostgreSQL, which may lie outside the state directory."""
    if running_stack() is not None:
        raise StackFailedError("A stack is running: stop it first.")
    remove_data(state_directory() / "postgres")
    remove_program_copy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
