"""The three-way check on beat: a bounded piece of every side, then the differences that are due for another look."""

from __future__ import annotations

from celery import shared_task

from apps.core.doorbells import ring
from apps.operations.threeway.steps import differences_round, sides_round
from apps.sites.tasks import FanOutTask, sweep_sites

CHECK_THREE_WAYS = "apps.operations.tasks.check_three_ways"
SIDES_BUDGET_S = 5.0  # orders and payouts wait for the same workers
DIFFERENCES_BUDGET_S = 5.0


@shared_task(base=FanOutTask, name=CHECK_THREE_WAYS)
def check_three_ways() -> int:
    """Compare what Stripe and custody say with our rows, from where the cursors stand; returns how many were
    looked at again."""
    more = sides_round(SIDES_BUDGET_S)
    rechecked, _sites_left = sweep_sites("differences", differences_round, budget_s=DIFFERENCES_BUDGET_S)
    if more:
        ring(CHECK_THREE_WAYS)
    return rechecked
