"""`make faults`: SEED, RUNS, ONLY=fault:step (or fault, or :step; several by commas), MARKDOWN=file for its tables."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path
from types import FrameType

from devstack.faults.campaign import Result, run_campaign
from devstack.faults.plan import Stroke, parse_only, schedule
from devstack.faults.report import as_markdown, as_text, lines_of
from devstack.postgres_place import PostgresFailedError
from devstack.redis_server import RedisFailedError
from devstack.sandbox_process import SandboxesFailedError
from devstack.stack import StackFailedError

DEFAULT_RUNS = 100


def main() -> int:
    """0 when every promise held; 1 when one broke; 2 for a wish that cannot be; 130 when interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
        runs = int(os.environ.get("RUNS") or DEFAULT_RUNS)
        only = os.environ.get("ONLY", "")
        strokes = schedule(seed=seed, runs=runs, only=parse_only(only))
    except ValueError as error:
        print(f"faults: {error}", file=sys.stderr)
        return 2
    _print_schedule(strokes, seed=seed, runs=runs, only=only)
    try:
        result = run_campaign(strokes, sys.stdout)
    except (StackFailedError, SandboxesFailedError, PostgresFailedError, RedisFailedError) as failure:
        print(f"\nThe stack did not start: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    _print_result(result)
    return 0 if result.is_clean else 1


def _print_schedule(strokes: list[Stroke], *, seed: int, runs: int, only: str) -> None:
    cases = sum(len(stroke.cases) for stroke in strokes)
    print(
        f"Schedule: {len(strokes)} strokes, {cases} sales. Again: make faults SEED={seed} RUNS={runs} ONLY={only}"
    )
    for stroke in strokes:
        print(f"  {stroke.number:>3}. {stroke.title}")
        for case in stroke.cases:
            print(f"       {case.fault.name}:{case.step} on {case.custody.value} site {case.site + 1}")


def _print_result(result: Result) -> None:
    print(
        f"\n{as_text(lines_of(result.judgements))}\n\n{as_text(lines_of(result.judgements, by_step=False))}\n"
    )
    for one in result.judgements:
        for told in one.told:
            print(f"{one.run.case.fault.name}:{one.run.case.step} order {one.run.sale.order_id}: {told}")
    for told in result.wrong:
        print(f"wrong: {told}")
    reached = sum(one.run.was_reached for one in result.judgements)
    print(
        f"{len(result.judgements)} sales, {reached} of them struck at their step:"
        f" {result.lost} lost, {result.doubled} doubled, {result.stranded} stranded, {len(result.wrong)} other faults"
    )
    if path := os.environ.get("MARKDOWN"):
        tables = [as_markdown(lines_of(result.judgements, by_step=by_step)) for by_step in (False, True)]
        Path(path).write_text("\n\n".join(tables) + "\n")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
