"""One bounded round over every site with due payouts: in turn over the sites, oldest first in each.

The turn goes on after the site that was served last, which is a row: whoever is cut short by time, by the
provider's allowance or by a crash, the next round does not begin with the same site again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from apps.payouts.custody.choice import providers_closed
from apps.payouts.fence import fence_alive
from apps.payouts.listed import listed_settle
from apps.payouts.lost import lost_round
from apps.payouts.models import Payout
from apps.payouts.pace_models import SweepTurn
from apps.payouts.submission import CALLS_A_PAYOUT, START_BUDGET_S, payouts_round
from apps.sites.due import DueSite, due_sites
from apps.sites.scope import bind_site, site_scope
from apps.sites.tasks import sweep_sites

QUEUE = "payouts"
PAYOUTS_A_TURN = 20
# All of them, at one index probe each: the longest waiting fifty might be the same fifty for ever.
SITES_MOST = 10_000

_SERVED = """
INSERT INTO payouts_sweepturn (queue, last_served, served_at) VALUES (%(queue)s, %(site)s, clock_timestamp())
ON CONFLICT (queue) DO UPDATE SET last_served = excluded.last_served, served_at = excluded.served_at
"""


@dataclass
class Swept:
    """``is_paced``: a provider could not be called at some moment, so that going on at once would be in vain."""

    sites: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    has_more: bool = False
    is_paced: bool = False

    def counts(self) -> str:
        """Payouts by outcome in one line."""
        return ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items())) or "nothing due"

    def go_on(self) -> bool:
        """Whether another round at once would find work that it may do."""
        return self.has_more and not self.is_paced


def payouts_sweep(*, budget_s: float = START_BUDGET_S) -> Swept:
    """ENTRY: give each site with due payouts one turn, until ``budget_s`` is over. Starts nothing after that."""
    swept = Swept()
    # Also when nothing is due: the gap that it looks for is one in our own rounds.
    may_send = _may_send()
    sites = in_turn(due_sites(QUEUE, SITES_MOST), after=_served_last())
    if not sites:
        return swept
    deadline_s = time.monotonic() + budget_s

    def turn() -> int:
        left_s = max(deadline_s - time.monotonic(), 0.01)
        site = sites[swept.sites]
        swept.sites += 1
        # Before the work, which may kill us. While a provider is closed it is a turn only if another one had work.
        if is_closed := bool(providers_closed(calls=CALLS_A_PAYOUT)):
            swept.is_paced = True
        else:
            _serve(site.site_id)
        # What a slow provider leaves of the round is shared: one call's time at least, the rest by sites to come.
        done, full = _turn(
            budget_s=left_s / (len(sites) - swept.sites + 1), until_s=deadline_s, may_send=may_send
        )
        if is_closed and done.total():
            _serve(site.site_id)
        swept.outcomes.update(done)
        swept.has_more = swept.has_more or full
        return done.total()

    handled, sites_left = sweep_sites(QUEUE, turn, budget_s=budget_s, sites=sites)
    swept.has_more = handled > 0 and (swept.has_more or sites_left)
    swept.is_paced = swept.is_paced or bool(providers_closed(calls=CALLS_A_PAYOUT))
    return swept


def payouts_due() -> int:
    """ENTRY: how many payouts of all sites are due now."""
    due = 0
    for site in due_sites(QUEUE, SITES_MOST):
        with bind_site(site.site_id), site_scope() as site_id:
            due += Payout.objects.filter(site_id=site_id, next_attempt_at__lte=Now()).count()
    return due


def in_turn(sites: Sequence[DueSite], *, after: UUID | None) -> list[DueSite]:
    """Sites by id, beginning behind ``after``, which need not be among them."""
    ordered = sorted(sites, key=lambda one: one.site_id)
    if after is None:
        return ordered
    return [one for one in ordered if one.site_id > after] + [one for one in ordered if one.site_id <= after]


def _may_send() -> bool:
    closed_from, is_due = fence_alive()
    return closed_from is None or (is_due and lost_round(closed_from))


def _turn(*, budget_s: float, until_s: float, may_send: bool) -> tuple[Counter[str], bool]:
    """One site's turn: how many came to which state, and whether more of it may be due.

    One payout at least is worked on by itself whatever the list took, unless the round's time (``until_s``) is over.
    """
    deadline_s = time.monotonic() + budget_s
    # With room for a look beside it: a list that proves nothing may not use up what the looks need.
    listed = None if providers_closed(calls=CALLS_A_PAYOUT + 1) else listed_settle()
    done = listed.outcomes if listed else Counter[str]()
    if time.monotonic() >= until_s:
        return done, True
    # Those that the page did not prove are the oldest now. The others wait for the next page: it costs one call.
    limit = PAYOUTS_A_TURN if listed is None else min(max(listed.unproven, 1), PAYOUTS_A_TURN)
    single = payouts_round(limit, budget_s=max(deadline_s - time.monotonic(), 0.01), may_send=may_send)
    is_full = bool(done) or single.total() >= limit or time.monotonic() > deadline_s
    return done + single, is_full


def _served_last() -> UUID | None:
    turn: UUID | None = SweepTurn.objects.filter(queue=QUEUE).values_list("last_served", flat=True).first()
    return turn


def _serve(site_id: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SERVED, {"queue": QUEUE, "site": site_id})
