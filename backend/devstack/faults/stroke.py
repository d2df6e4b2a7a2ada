"""One stroke: sales go to their steps and stand still, the fault strikes, and all are followed to their end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from devstack.faults.doors import Held, Watch
from devstack.faults.place import Place
from devstack.faults.plan import Case, Stroke
from devstack.faults.rows import Rows
from devstack.faults.sale import Sale
from devstack.faults.scene import Scene
from devstack.faults.steps import step_named
from devstack.faults.strikes import order, strike

STAGED_WITHIN_S = 90.0
# Below every timeout of who is held: PostgreSQL ends a transaction that is idle for 30 s; Stripe's and Fireblocks'
# clients wait 8 s, the sandboxes' webhooks 6 s, and those come second.
IN_DATABASE_WITHIN_S = 12.0
ON_HTTP_WITHIN_S = 5.0
SETTLED_WITHIN_S = 150.0
Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Run:
    """What became of one sale. ``recovery_s`` is from the fault to its last token's leaving; None: it never did.

    ``was_reached``: the fault struck while it stood at its step.
    """

    case: Case
    sale: Sale
    was_reached: bool
    recovery_s: float | None


def play(place: Place, rows: Rows, stroke: Stroke, say: Say, *, settled_within_s: float) -> list[Run]:
    """Play one stroke to its end."""
    sales = [Sale(place, rows, case, place.sites[case.custody][case.site]) for case in stroke.cases]
    threads = [threading.Thread(target=sale.run, daemon=True) for sale in sales]
    for thread in threads:
        thread.start()
    say("to their steps", 0, len(sales))
    _wait(lambda: all(sale.staged.is_set() for sale in sales), STAGED_WITHIN_S)
    watches = {sale: Watch(step_named(sale.case.step), sale.is_in) for sale in sales if _is_held(sale)}
    for sale in sales:
        if sale.case.fault.is_ordered:
            order(place, sale)
    place.doors.watch(watches.values())
    say("stand still", 0, len(sales))
    for is_first, within_s in ((True, IN_DATABASE_WITHIN_S), (False, ON_HTTP_WITHIN_S)):
        those = [sale for sale in sales if _is_patient(sale) is is_first]
        for sale in those:
            sale.go.set()
        waiting = [(sale, watches[sale]) for sale in those if sale in watches]
        _wait(partial(_all_there, waiting), within_s)
    place.doors.watch_nothing()
    held = {sale: list(watch.held) for sale, watch in watches.items()}
    struck_at_s = time.monotonic()
    for sale in sales:
        sale.deadline_s = struck_at_s + settled_within_s
    scene = Scene(place, held, sales)
    strike(scene)
    while any(thread.is_alive() for thread in threads):
        say("recover", sum(not thread.is_alive() for thread in threads), len(sales))
        time.sleep(0.2)
    scene.end()
    rows.leave([sale.order_id for sale in sales if sale.order_id])
    return [_run(sale, held, struck_at_s) for sale in sales]


def _is_held(sale: Sale) -> bool:
    return not sale.case.fault.is_ordered


def _all_there(waiting: list[tuple[Sale, Watch]]) -> bool:
    """Each stands at its step, or has slipped past it to its end."""
    return all(watch.held or sale.is_over for sale, watch in waiting)


def _is_patient(sale: Sale) -> bool:
    return step_named(sale.case.step).door[1] == "postgres"


def _run(sale: Sale, held: dict[Sale, list[Held]], struck_at_s: float) -> Run:
    was_reached = bool(held.get(sale)) or sale.case.fault.is_ordered
    recovery_s = max(0.0, sale.done_at_s - struck_at_s) if sale.done_at_s else None
    return Run(sale.case, sale, was_reached, recovery_s)


def _wait(holds: Callable[[], bool], within_s: float) -> None:
    """Until it holds or the time is over: what is missing then shows in the result."""
    deadline_s = time.monotonic() + within_s
    while not holds() and time.monotonic() < deadline_s:
        time.sleep(0.02)
