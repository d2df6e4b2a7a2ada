"""On beat: a bounded piece of the three-way check and the differences that are due; and states counted for monitors."""

from __future__ import annotations

from celery import shared_task

from apps.core.doorbells import ring
from apps.operations.state_counts import states_count
from apps.operations.threeway.steps import differences_round, sides_round
from apps.sites.tasks import FanOutTask, sweep_sites

COUNT_STATES = "apps.operations.tasks.count_states"
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


@shared_task(base=FanOutTask, name=COUNT_STATES)
def count_states() -> int:
    """Go on counting states; rests for long in between. Returns how many sites were counted."""
    return states_count()
