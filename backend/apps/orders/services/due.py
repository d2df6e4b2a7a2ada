"""Which orders are to be looked at now."""

from __future__ import annotations

import logging
import time
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.db.models import Case, F, Q, When
from django.db.models.functions import Now

from apps.core.doorbells import ring
from apps.orders.models import Order
from apps.orders.services.apply import PROCESS_ORDER
from apps.orders.services.process import PAID_ONCE, order_process
from apps.sites.scope import current_site_id, site_scope

logger = logging.getLogger("posx.orders")

BATCH = 20
BUDGET_S = 10.0
# Longer than one call to Stripe (11 s): so long an order stands still after its worker was killed. Who is slower than
# that, and is overtaken, does no harm: the second one decides by what the first has written.
LEASE_S = 15
# MATERIALIZED: inlined, the sub-select may run again and claim more than it names.
_CLAIM = """
WITH due AS MATERIALIZED (
  SELECT id FROM orders_order
  WHERE site_id = %(site)s AND next_check_at IS NOT NULL AND next_check_at <= now()
    AND (problem_code = '' OR status IN ('paid', 'disputed', 'refund_due', 'refunded'))
  ORDER BY next_check_at LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE orders_order
SET next_check_at = now() + make_interval(secs => %(lease_s)s), check_attempts = check_attempts + 1
WHERE site_id = %(site)s AND id = (SELECT id FROM due)
RETURNING id
"""


def order_check_now(*, order_id: UUID) -> bool:
    """ENTRY: something happened at Stripe; a worker looks at once. False when the bound site has no such order.

    An unpaid order that waits for a person stays with them; of a paid one the money is followed all the same.
    """
    with site_scope() as site_id:
        found = Order.objects.filter(site_id=site_id, id=order_id).update(
            next_check_at=Case(
                When(Q(problem_code="") | Q(status__in=PAID_ONCE), then=Now()), default=F("next_check_at")
            ),
            check_attempts=0,
        )
        if found:
            ring(PROCESS_ORDER, str(site_id), str(order_id))
    return bool(found)


def orders_sweep(*, limit: int = BATCH, budget_s: float = BUDGET_S) -> int:
    """ENTRY: settle due orders of the bound site, the longest waiting first; returns how many were taken.

    Each is claimed alone, just before its turn: what does not fit into the time stays due for others.
    """
    deadline_s = time.monotonic() + budget_s
    taken = 0
    while taken < limit and time.monotonic() < deadline_s and (claimed := order_claim()):
        taken += 1
        site_id, order_id = claimed
        try:
            if order_process(site_id=site_id, order_id=order_id):
                break  # Stripe wants a pause: the others stay due, and the next round asks for one of them
        except SoftTimeLimitExceeded:
            raise
        except Exception:
            # Safe: the order's lease runs out and it is due again; the others must not wait for it.
            logger.exception("Order %s could not be processed", order_id)
    return taken


def order_claim() -> tuple[UUID, UUID] | None:
    """ENTRY: take the longest due order of the bound site for LEASE_S; (site id, order id), None when none is due."""
    with site_scope(), connection.cursor() as cursor:
        site_id = current_site_id()
        cursor.execute(_CLAIM, {"site": site_id, "lease_s": LEASE_S})
        row = cursor.fetchone()
        return (site_id, row[0]) if row else None
