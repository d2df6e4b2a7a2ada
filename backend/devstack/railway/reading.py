"""What is read in the logs and the ends of containers. Each raises CheckFailed with what was found instead."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from devstack.railway.checks import CheckFailed
from devstack.railway.deployment import Deployment, Stop

POLL_S = 0.1
LEVELS = {"debug", "info", "warning", "error", "critical"}
# Nothing is broken in this project: a line of these levels is either false or a fault.
ALARMS = {"error", "critical"}
FIRST_MIGRATION = "Applying core.0001_initial... OK"
NOTHING_LEFT = "No migrations to apply"


def wait_for_words(deployment: Deployment, words: str, timeout_s: float) -> None:
    """Until it has written `words` on stdout."""
    deadline = time.monotonic() + timeout_s
    while words not in deployment.text():
        if not deployment.running() or time.monotonic() > deadline:
            raise CheckFailed(f"it did not say {words!r}:\n{_end_of(deployment)}")
        time.sleep(POLL_S)


def applied_once(replicas: Sequence[Deployment]) -> None:
    """One of them applied every migration, the others found nothing left."""
    texts = [replica.text() for replica in replicas]
    applied = sum(text.count(FIRST_MIGRATION) for text in texts)
    idle = sum(text.count(NOTHING_LEFT) for text in texts)
    if (applied, idle) != (1, len(replicas) - 1):
        raise CheckFailed(f"{applied} replicas migrated, {idle} found nothing to do:\n{_end_of(replicas[0])}")


def stopped_by_itself(stops: Mapping[str, Stop]) -> None:
    """Exit code 0 and no SIGKILL."""
    for name, stop in stops.items():
        if stop.killed or stop.code:
            raise CheckFailed(
                f"{name}: exit code {stop.code} after {stop.took_s:.1f} s, killed: {stop.killed}"
            )


def speak_json(deployment: Deployment) -> None:
    """Nothing on stderr, which Railway shows as errors; each line on stdout an object with level and message."""
    if errors := deployment.errors():
        raise CheckFailed(f"on stderr:\n{errors[-2000:]}")
    if not (lines := deployment.lines()):
        raise CheckFailed("it wrote nothing")
    for line in lines:
        if not line.get("message") or line.get("level") not in LEVELS:
            raise CheckFailed(f"a line is not JSON with level and message: {line}")
        if line["level"] in ALARMS:
            raise CheckFailed(f"nothing was broken, and yet: {line}")


def _end_of(deployment: Deployment) -> str:
    return f"{deployment.text()[-2000:]}{deployment.errors()[-2000:]}"
