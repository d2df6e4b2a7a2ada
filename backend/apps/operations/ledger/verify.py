"""Asking every invariant of every site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

from django.db import connection

from apps.operations.ledger.invariant import Invariant, Violation, violations_of
from apps.operations.ledger.payouts import PAYOUTS
from apps.operations.ledger.sales import SALES
from apps.operations.ledger.tokens import TOKENS
from apps.sites.scope import site_scope

INVARIANTS: tuple[Invariant, ...] = (*TOKENS, *PAYOUTS, *SALES)
# More rows of one fault say nothing more, and would fill the memory of a system that is badly broken.
SHOWN_AN_INVARIANT = 100
# Sums over millions of rows take longer than a request's statement may.
STATEMENT_TIMEOUT = "10min"


def ledger_violations(
    site_ids: list[UUID], *, asked: Callable[[Invariant], object] = lambda _one: None
) -> Iterator[Violation]:
    """ENTRY: what breaks the invariants, site by site, at most SHOWN_AN_INVARIANT rows each.

    Each question is a transaction of its own: none holds back the cleaning up of old rows for long. ``asked`` is
    called after each, for a progress bar.
    """
    for site_id in site_ids:
        for invariant in INVARIANTS:
            with site_scope(site_id), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
                found = list(violations_of(invariant, limit=SHOWN_AN_INVARIANT))
            yield from found
            asked(invariant)
