"""Task bases: every task either works for one named site, or goes round the sites that have due work."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from celery import Task
from celery.exceptions import SoftTimeLimitExceeded

from apps.core.context import acting_as
from apps.sites.due import DueSite, due_sites
from apps.sites.scope import bind_site

logger = logging.getLogger("posx.tasks")

SITES_A_ROUND = 50
# Below the soft time limit: what is left over is done by the next ring.
ROUND_BUDGET_S = 25.0


class SiteTask(Task[..., Any]):
    """A task whose first argument is the site's id; it runs bound to that site."""

    def __call__(self, site_id: str, *args: Any, **kwargs: Any) -> Any:
        with bind_site(UUID(site_id)), acting_as("task", self.name):
            return super().__call__(site_id, *args, **kwargs)


class FanOutTask(Task[..., Any]):
    """A task without arguments that sweeps due work of all sites; it is bound to none."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with acting_as("task", self.name):
            return super().__call__(*args, **kwargs)


def sweep_sites(
    queue: str,
    work: Callable[[], int],
    *,
    budget_s: float = ROUND_BUDGET_S,
    sites: Sequence[DueSite] | None = None,
) -> tuple[int, bool]:
    """Run ``work`` bound to each site with due rows in ``queue``, the longest waiting first, or to ``sites``.

    ``work`` does one bounded batch and returns how many rows it handled. One site's failure is logged and does
    not keep the others waiting. Returns (rows handled, whether due work may be left over).
    """
    deadline_s = time.monotonic() + budget_s
    handled = 0
    bounded = sites is None
    sites = due_sites(queue, SITES_A_ROUND) if sites is None else sites
    for site in sites:
        if time.monotonic() > deadline_s:
            return handled, True
        try:
            with bind_site(site.site_id):
                handled += work()
        except SoftTimeLimitExceeded:
            raise  # this run is over: going on to the next site would end in the hard limit's kill
        except Exception:
            # Safe: its rows stay due and the next round asks again; the other sites must not starve.
            logger.exception("sweep of %s failed for site %s", queue, site.site_id)
    return handled, bounded and len(sites) == SITES_A_ROUND
