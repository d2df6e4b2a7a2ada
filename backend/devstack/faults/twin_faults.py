"""Two where one is meant: beats, copies of a task, and a worker that was thought dead."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress

from devstack.faults.doors import Verdict
from devstack.faults.scene import Scene

# Longer than any lease of work, and shorter than Celery's and PostgreSQL's own limits on who holds it.
STALE_S = 25.0
_COPIES = 3
_COPIES_RUN_S = 2.0
_SWEEPS = (
    "apps.webhooks.tasks.sweep_inbox",
    "apps.orders.tasks.sweep_orders",
    "apps.payouts.tasks.sweep_payouts",
    "apps.vesting.tasks.unlock_due",
)


def two_beats(scene: Scene) -> None:
    """A second beat, until all sales are through."""
    scene.place.start_beat("beat2")
    scene.undo_at_the_end(lambda: scene.place.keeper.let_go("beat2"))


def same_task_twice(scene: Scene) -> None:
    """Every task that may work on the sales runs again while the first copy stands at its step."""
    orders = [[sale.site.site_id, sale.order_id] for sale in scene.sales if sale.order_id]
    tasks: list[tuple[str, list[str]]] = [("apps.orders.tasks.process_order", ids) for ids in orders]
    tasks += [(name, []) for name in _SWEEPS * _COPIES]
    scene.place.send_tasks(tasks)
    time.sleep(_COPIES_RUN_S)  # until they have come as far as the first ones let them


def stale_worker(scene: Scene) -> None:
    """Who stands at a step is stopped, loses its lease to others, wakes, and goes on as if nothing had happened."""
    pids = {pid for held in scene.held if (pid := scene.pid_of(held))}
    stopped = [held for held in scene.held if scene.pid_of(held) in pids]
    _signal(pids, signal.SIGSTOP)
    scene.keep_from_passing(stopped)

    def wake() -> None:
        _signal(pids, signal.SIGCONT)
        for held in stopped:
            held.release(Verdict.PASS)

    scene.meanwhile(wake, after_s=STALE_S)


def _signal(pids: Collection[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
