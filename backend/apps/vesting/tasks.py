"""The three tasks that the deployment guide names, and the sweeps beside them. None takes arguments."""

from __future__ import annotations

import logging
import time

from celery import shared_task
from django.conf import settings

from apps.core.doorbells import ring
from apps.idempotency.services import idempotency_purge
from apps.payouts.sweep import payouts_sweep
from apps.sites.scope import site_scope
from apps.sites.tasks import ROUND_BUDGET_S, FanOutTask, sweep_sites
from apps.vesting.revoking import revocations_do_due
from apps.vesting.unlocking import releases_unlock_due

logger = logging.getLogger("posx.vesting")

RELEASES_A_BATCH = 1000
# Whoever has a million releases due at once must not keep the other sites waiting for the whole round.
BATCHES_A_SITE = 5
KEYS_A_BATCH = 1000
REVOCATIONS_A_SITE = 50
SWEEP_REVOCATIONS = "apps.vesting.tasks.sweep_revocations"


@shared_task(base=FanOutTask)
def unlock_vesting_releases() -> str:
    """Daily: unlock every due release of every site. The same sweep as unlock_due."""
    unlocked, more = _unlock()
    if more:
        ring("apps.vesting.tasks.unlock_vesting_releases")
    return f"{unlocked} releases unlocked"


@shared_task(base=FanOutTask)
def unlock_due() -> str:
    """Every 10 s, and when an order was paid: unlock due releases."""
    unlocked, more = _unlock()
    if more:
        ring("apps.vesting.tasks.unlock_due")
    return f"{unlocked} releases unlocked"


@shared_task(base=FanOutTask)
def reconcile_stuck_releases() -> str:
    """Every 5 minutes: ask custody about payouts that nobody heard of; counts by outcome.

    One bounded round over the sites in turn; it rings itself while there is more that may be asked now.
    """
    swept = payouts_sweep()
    if swept.go_on():
        ring("apps.vesting.tasks.reconcile_stuck_releases")
    logger.info(
        "Reconciled payouts: %s",
        swept.counts(),
        extra={"sites": swept.sites, "outcomes": dict(swept.outcomes), "is_paced": swept.is_paced},
    )
    return swept.counts()


@shared_task(base=FanOutTask)
def cleanup_old_idempotency_keys() -> str:
    """Daily: remove idempotency keys older than IDEMPOTENCY_KEEP_HOURS, in bounded batches."""
    full = False

    def purge() -> int:
        nonlocal full
        with site_scope():
            count = idempotency_purge(older_than_hours=settings.IDEMPOTENCY_KEEP_HOURS, limit=KEYS_A_BATCH)
        full = full or count == KEYS_A_BATCH
        return count

    removed, sites_left = sweep_sites("idempotency", purge)
    # Every site with any key counts as due here: only what was removed says that a next round has work.
    if removed and (full or sites_left):
        ring("apps.vesting.tasks.cleanup_old_idempotency_keys")
    return f"{removed} keys removed"


@shared_task(base=FanOutTask, name=SWEEP_REVOCATIONS)
def sweep_revocations() -> int:
    """Carry out revocations whose time has come, of all sites; rings itself again while there are more."""
    done, sites_left = sweep_sites("revocations", lambda: revocations_do_due(REVOCATIONS_A_SITE))
    if done and (sites_left or done >= REVOCATIONS_A_SITE):
        ring(SWEEP_REVOCATIONS)
    return done


def _unlock() -> tuple[int, bool]:
    """One round over the sites: how many were unlocked, and whether more may be due."""
    unfinished = False
    deadline_s = time.monotonic() + ROUND_BUDGET_S

    def work() -> int:
        nonlocal unfinished
        done = 0
        for _batch in range(BATCHES_A_SITE):
            unlocked = releases_unlock_due(RELEASES_A_BATCH)
            done += unlocked
            if unlocked < RELEASES_A_BATCH:
                return done
            if time.monotonic() > deadline_s:
                break
        unfinished = True
        return done

    unlocked, sites_left = sweep_sites("unlock", work)
    return unlocked, unlocked > 0 and (unfinished or sites_left)
