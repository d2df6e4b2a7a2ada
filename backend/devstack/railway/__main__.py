"""`python -m devstack.railway`: build, deploy and sell as on Railway, on this machine; then a table of checks."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

import requests

from devstack.api_client import UnexpectedAnswer
from devstack.narrator import StoryFailed
from devstack.postgres_place import PostgresFailedError
from devstack.railway.build import BuildFailedError
from devstack.railway.checks import CheckFailed, Checks
from devstack.railway.deployment import DeploymentFailedError
from devstack.railway.run import EmulatedRun
from devstack.redis_server import RedisFailedError
from devstack.sandbox_process import SandboxesFailedError

FAILURES = (
    *(BuildFailedError, CheckFailed, DeploymentFailedError, StoryFailed, UnexpectedAnswer),
    *(PostgresFailedError, RedisFailedError, SandboxesFailedError, requests.RequestException),
)


class _StopRequested(BaseException):
    """SIGTERM or a closed terminal; as with Ctrl-C, what was started has to be stopped."""


def main() -> int:
    """0 when every check held, 1 with the table and one sentence when one failed, 130 when interrupted."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _request_stop)
    checks = Checks(sys.stdout)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="posx-railway-") as name,
            EmulatedRun(Path(name), checks) as run,
        ):
            run.tell(sys.stdout)
    except FAILURES as failure:
        print(f"\n{checks.table()}\n\nFailed: {failure}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, _StopRequested):
        print("\nInterrupted.", file=sys.stderr)
        return 130
    print(f"\n{checks.table()}\n\nAll of it held.")
    return 0


def _request_stop(_number: int, _frame: FrameType | None) -> None:
    raise _StopRequested


if __name__ == "__main__":
    sys.exit(main())
