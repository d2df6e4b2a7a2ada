"""Work for a worker: payouts that are due."""

from __future__ import annotations

import time
from collections import Counter

from celery import shared_task

from apps.core.doorbells import ring
from apps.payouts.submission import START_BUDGET_S, payouts_round
from apps.sites.tasks import FanOutTask, sweep_sites

PAYOUTS_A_SITE = 20


@shared_task(base=FanOutTask)
def sweep_payouts() -> str:
    """Submit, ask for and settle due payouts of all sites; rings itself again while there is more."""
    outcomes, more = payouts_sweep()
    if more:
        ring("apps.payouts.tasks.sweep_payouts")
    return f"{outcomes.total()} payouts"


def payouts_sweep() -> tuple[Counter[str], bool]:
    """One round over the sites with due payouts: how many came to which state, and whether more may be due."""
    outcomes: Counter[str] = Counter()
    deadline_s = time.monotonic() + START_BUDGET_S
    cut_short = False

    def work() -> int:
        nonlocal cut_short
        # One budget for all sites together: each having its own would outlast the task's time limit.
        done = payouts_round(PAYOUTS_A_SITE, budget_s=deadline_s - time.monotonic())
        outcomes.update(done)
        cut_short = cut_short or done.total() == PAYOUTS_A_SITE or time.monotonic() > deadline_s
        return done.total()

    handled, sites_left = sweep_sites("payouts", work, budget_s=START_BUDGET_S)
    return outcomes, handled > 0 and (cut_short or sites_left)
