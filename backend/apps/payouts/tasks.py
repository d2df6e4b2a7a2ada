"""Work for a worker: payouts that are due."""

from __future__ import annotations

from celery import shared_task

from apps.core.doorbells import ring
from apps.payouts.sweep import payouts_sweep
from apps.sites.tasks import FanOutTask


@shared_task(base=FanOutTask)
def sweep_payouts() -> str:
    """Submit, ask for and settle due payouts of all sites; rings itself again while there is more."""
    swept = payouts_sweep()
    if swept.go_on():
        ring("apps.payouts.tasks.sweep_payouts")
    return f"{swept.outcomes.total()} payouts"
