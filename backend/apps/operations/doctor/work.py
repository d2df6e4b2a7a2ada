"""Whether work that is due is done: from the first entry of each queue, and of payouts what stands still."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from apps.operations import database_checks
from apps.operations.doctor.findings import Finding, fine, found
from apps.operations.probes import Check
from apps.payouts.fence import fence_closed_from
from apps.payouts.models import AttemptStatus, Payout, PayoutAttempt, PayoutStatus
from apps.sites.scope import site_scope
from apps.sites.services import site_codes

STUCK_AFTER = timedelta(hours=1)  # reconcile-stuck-releases has asked a dozen times by then
BUDGET_S = 3.0
COUNTED_MOST = 1000
_ORDERS = "SELECT extract(epoch FROM now() - min(oldest_due_at))::float FROM public.due_sites_orders(1)"
_RELEASES = "SELECT extract(epoch FROM now() - min(oldest_due_at))::float FROM public.due_sites_unlock(1)"


def _inbox(cursor: Any) -> Finding:
    return _late("inbox", database_checks.inbox(cursor))


def _payouts(cursor: Any) -> Finding:
    return _late("payouts", database_checks.payouts(cursor))


def _orders(cursor: Any) -> Finding:
    cursor.execute(_ORDERS)
    return _late("orders", _oldest(cursor.fetchone()[0]))


def _releases(cursor: Any) -> Finding:
    cursor.execute(_RELEASES)
    return _late("releases", _oldest(cursor.fetchone()[0]))


def _oldest(age_s: float | None) -> Check:
    late_s = max(0.0, age_s or 0.0)
    return Check(late_s <= database_checks.WORK_LATE_S, f"{late_s:.0f} s late", {"oldest_due_s": late_s})


def _late(name: str, check: Check) -> Finding:
    if check.ok:
        return fine(name, f"the oldest that is due waits {check.figures['oldest_due_s']:.0f} s")
    return found(f"{name}.late", check.reason)


def _stuck(_cursor: Any) -> Finding:
    """Site by site, as rows of a site are seen inside it only; so many sites as the time allows."""
    deadline_s = time.monotonic() + BUDGET_S
    sites = site_codes()
    held = sent = asked = 0
    for site_id in sites:
        with site_scope(site_id):
            held += Payout.objects.filter(status=PayoutStatus.HELD)[:COUNTED_MOST].count()
            sent += PayoutAttempt.objects.filter(
                status=AttemptStatus.OPEN,
                last_sent_at__lt=Now() - STUCK_AFTER,
                payout__status__in=[PayoutStatus.SUBMITTING, PayoutStatus.SUBMITTED],
            )[:COUNTED_MOST].count()
        asked += 1
        if time.monotonic() > deadline_s:
            break
    of = "" if asked == len(sites) else f", in {asked} of {len(sites)} sites"
    said = f"{held} payouts held for a person, {sent} sent over an hour ago and not settled{of}"
    return found("payouts.stuck", said) if held or sent else fine("stuck payouts", said)


def _fence(_cursor: Any) -> Finding:
    closed_from = fence_closed_from()
    if closed_from is None:
        return fine("sending", "nothing that left is unaccounted for")
    return found(
        "payouts.fence", f"closed: what left since {closed_from:%Y-%m-%d %H:%M:%S} UTC is being asked for"
    )


WORK_QUESTIONS: tuple[Callable[[Any], Finding], ...] = (
    *(_inbox, _orders, _releases, _payouts),
    *(_stuck, _fence),
)
