"""`python -m devstack.demo`: a sale from checkout to payout and what comes after it, on the running stack or its own.

`--sale` tells the sale only, without the minute that a statement takes to settle.
"""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import requests

from devstack.api_client import UnexpectedAnswer
from devstack.environment import Stack, running_stack
from devstack.narrator import StoryFailed
from devstack.postgres_place import PostgresFailedError
from devstack.redis_server import RedisFailedError
from devstack.stack import StackFailedError, start_temporary
from devstack.story import tell, tell_sale


class _StopRequested(BaseException):
    """SIGTERM or a closed terminal; as with Ctrl-C, a stack that was started here has to be stopped."""


def main() -> int:
    """0 when the whole story held; 1 with one sentence when a step failed; 130 when it was interrupted."""
    arguments = ArgumentParser(prog="devstack.demo")
    arguments.add_argument("--sale", action="store_true", help="tell the sale only")
    told = tell_sale if arguments.parse_args().sale else tell
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _request_stop)
    try:
        with _stack() as stack:
            told(stack, sys.stdout)
    except (StoryFailed, UnexpectedAnswer) as failure:
        print(f"\nThe demo failed: {failure}", file=sys.stderr)
        return 1
    except requests.RequestException as failure:
        print(f"\nThe demo failed: no usable answer ({failure}).", file=sys.stderr)
        return 1
    except (StackFailedError, PostgresFailedError, RedisFailedError) as failure:
        print(f"\nThe demo's stack did not start: {failure}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, _StopRequested):
        print("\nInterrupted.", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _stack() -> Iterator[Stack]:
    if running := running_stack():
        print(f"Using the stack that runs at {running.web_url}")
        yield running
        return
    print("No stack is running: starting one of its own, for this story only", flush=True)
    with start_temporary(sys.stdout) as own:
        yield own


def _request_stop(_number: int, _frame: FrameType | None) -> None:
    raise _StopRequested


if __name__ == "__main__":
    sys.exit(main())
