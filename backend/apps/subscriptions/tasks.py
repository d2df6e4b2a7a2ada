"""Work for a worker: deliveries that are due."""

from __future__ import annotations

from celery import shared_task

from apps.core.doorbells import ring
from apps.sites.tasks import FanOutTask
from apps.subscriptions.delivering import deliveries_sweep
from apps.subscriptions.services import SWEEP_TASK


@shared_task(base=FanOutTask, name=SWEEP_TASK)
def sweep_deliveries() -> int:
    """Send due webhooks of all sites; rings itself again while there is more."""
    handled, more = deliveries_sweep()
    if more:
        ring(SWEEP_TASK)
    return handled
