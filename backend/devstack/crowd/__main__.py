"""`make crowd`: BUYERS, UNITS, AT_ONCE (requests at once), SEED, MARKDOWN=file for its table."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path
from types import FrameType

from devstack.crowd.campaign import run_crowd
from devstack.crowd.market import running_market
from devstack.crowd.report import as_markdown, as_text
from devstack.postgres_place import PostgresFailedError
from devstack.redis_server import RedisFailedError
from devstack.stack import StackFailedError


def main() -> int:
    """0 when every promise held; 1 when one broke; 2 for a wish that cannot be; 130 when interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        buyers, units, at_once = _number("BUYERS", 10_000), _number("UNITS", 1_000), _number("AT_ONCE", 200)
        seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    except ValueError as error:
        print(f"crowd: {error}", file=sys.stderr)
        return 2
    print(f"Again: make crowd BUYERS={buyers} UNITS={units} AT_ONCE={at_once} SEED={seed}", flush=True)
    try:
        with running_market(buyers=buyers, units=units, output=sys.stdout) as market:
            result = run_crowd(market, units=units, at_once=at_once, seed=seed, output=sys.stdout)
    except (StackFailedError, PostgresFailedError, RedisFailedError) as failure:
        print(f"\nThe stack did not start: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    print(f"\n{as_text(result.rows)}\n")
    for fault in result.faults:
        print(f"wrong: {fault}")
    print(f"{len(result.faults)} faults" if result.faults else "Everything held.")
    if path := os.environ.get("MARKDOWN"):
        Path(path).write_text(as_markdown(result.rows) + "\n")
    return 1 if result.faults else 0


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name) or str(otherwise)
    if not text.isdecimal() or not int(text):
        raise ValueError(f"{name}={text!r} is not a number above 0")
    return int(text)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
