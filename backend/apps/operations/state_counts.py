"""How many orders, payouts and releases are in each state over all sites, for monitors.

Counting is the one question here whose cost grows with the tables. So it is asked in the background, a few seconds at
a time, and rests a hundred times as long as it took: at any size it is one connection's work for a hundredth of the
time, and the numbers say when they were counted.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from uuid import UUID

from django.db.models import Count, Model

from apps.core import measures
from apps.orders.models import Order
from apps.payouts.models import Payout
from apps.sites.scope import site_scope
from apps.sites.services import site_codes
from apps.vesting.models import Release

BUDGET_S = 5.0
RESTS_TIMES = 100
_KEPT = "states"
_COUNTED: dict[str, type[Model]] = {"orders": Order, "payouts": Payout, "releases": Release}

Counts = dict[str, dict[str, int]]


@dataclass
class Counting:
    """``counts`` are those of the last whole round, counted at ``counted_at`` (Unix seconds). The rest is the round
    that runs: sites up to ``after`` are in ``partly``, and took ``spent_s``."""

    counts: Counts = field(default_factory=dict)
    counted_at: float = 0.0
    rests_until: float = 0.0
    after: str = ""
    spent_s: float = 0.0
    partly: Counts = field(default_factory=dict)


def counting_kept(*, timeout_s: float) -> Counting:
    """What was kept last. Raises redis.RedisError."""
    value = measures.kept(_KEPT, timeout_s=timeout_s)
    return Counting(**value) if value else Counting()


def states_count(*, budget_s: float = BUDGET_S) -> int:
    """ENTRY: go on counting for ``budget_s``; returns how many sites were counted. Raises redis.RedisError.

    Two at once count the same twice, and the later one's numbers stay.
    """
    kept, started_s = counting_kept(timeout_s=2.0), time.monotonic()
    if time.time() < kept.rests_until:
        return 0
    left = sorted(str(site_id) for site_id in site_codes() if str(site_id) > kept.after)
    done = 0
    for site_id in left:
        if time.monotonic() - started_s > budget_s:
            break
        _add(kept.partly, _counts_of(UUID(site_id)))
        kept.after = site_id
        done += 1
    kept.spent_s += time.monotonic() - started_s
    if done == len(left):
        now = time.time()
        kept = Counting(counts=kept.partly, counted_at=now, rests_until=now + RESTS_TIMES * kept.spent_s)
    measures.keep(_KEPT, asdict(kept))
    return done


def _counts_of(site_id: UUID) -> Counts:
    """STEP of its own: one transaction a site."""
    with site_scope(site_id):
        return {
            name: {
                row["status"]: row["n"]
                for row in model._default_manager.filter(site_id=site_id)
                .values("status")
                .annotate(n=Count("id"))
            }
            for name, model in _COUNTED.items()
        }


def _add(sums: Counts, more: Counts) -> None:
    for name, states in more.items():
        into = sums.setdefault(name, {})
        for state, n in states.items():
            into[state] = into.get(state, 0) + n
