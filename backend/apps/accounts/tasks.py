"""Work for a worker: wallet changes whose cooling-off has ended, and notices that are not sent yet."""

from __future__ import annotations

from celery import shared_task

from apps.accounts.notices import SWEEPER as SWEEP_NOTICES
from apps.accounts.notices import notices_send_due
from apps.accounts.wallet_changes import changes_do_due
from apps.core.doorbells import ring
from apps.sites.tasks import FanOutTask, sweep_sites

CHANGES_A_SITE = 100
NOTICES_A_SITE = 2  # each may wait 10 s for a mail server, and the round has 25 s before it ends
NOTICE_BUDGET_S = 15.0
SWEEP_CHANGES = "apps.accounts.tasks.sweep_wallet_changes"


@shared_task(base=FanOutTask, name=SWEEP_CHANGES)
def sweep_wallet_changes() -> int:
    """Do due wallet changes of all sites; rings itself again while there are more."""
    done, sites_left = sweep_sites("wallet_changes", lambda: changes_do_due(CHANGES_A_SITE))
    if done and (sites_left or done >= CHANGES_A_SITE):
        ring(SWEEP_CHANGES)
    return done


@shared_task(base=FanOutTask, name=SWEEP_NOTICES)
def sweep_wallet_notices() -> int:
    """Send due notices of all sites; rings itself again while there are more."""
    tried, sites_left = sweep_sites(
        "wallet_notices", lambda: notices_send_due(NOTICES_A_SITE), budget_s=NOTICE_BUDGET_S
    )
    if tried and (sites_left or tried >= NOTICES_A_SITE):
        ring(SWEEP_NOTICES)
    return tried
