"""Rows against the providers' books: lost, doubled, stranded, and what a ledger must never hold."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from devstack.environment import BACKEND
from devstack.faults.place import Place
from devstack.faults.rows import Rows
from devstack.faults.stroke import Run
from devstack.faults.truth import Books

# Work that is due, and has been so for longer than any sweep takes to come round.
_WAITING = """
SELECT 'inbox event ' || provider || ' ' || event_type || ' ' || status || ' ' || error_code FROM webhooks_inboxevent
WHERE status IN ('received', 'failed')
UNION ALL
SELECT 'order ' || id || ' ' || status FROM orders_order
WHERE problem_code <> '' OR status = 'refund_due' OR (next_check_at <= now() - interval '60 s')
UNION ALL
SELECT 'payout ' || id || ' ' || status || ' ' || hold_code FROM payouts_payout
WHERE status NOT IN ('paid', 'cancelled')
UNION ALL
SELECT 'release ' || id || ' ' || status FROM vesting_release
WHERE status NOT IN ('released', 'replaced', 'revoked')
"""
# What `manage.py verify_ledger` is to check too; one row a violation.
_LEDGER = """
SELECT 'releases of allocation ' || a.id || ' do not sum to it' FROM vesting_allocation a
JOIN vesting_release r ON r.allocation_id = a.id AND r.status <> 'replaced'
GROUP BY a.id, a.amount_base_units HAVING sum(r.amount_base_units) <> a.amount_base_units
UNION ALL
SELECT 'payout ' || p.id || ' is paid, and its releases do not sum to it' FROM payouts_payout p
LEFT JOIN vesting_release r ON r.payout_id = p.id AND r.status = 'released' WHERE p.status = 'paid'
GROUP BY p.id, p.amount_base_units HAVING coalesce(sum(r.amount_base_units), 0) <> p.amount_base_units
UNION ALL
SELECT 'payout ' || payout_id || ' has two live attempts' FROM payouts_payoutattempt
WHERE status IN ('open', 'succeeded') GROUP BY payout_id HAVING count(*) > 1
UNION ALL
SELECT 'order ' || o.id || ' is paid, and has no allocation' FROM orders_order o
LEFT JOIN vesting_allocation a ON a.id = o.allocation_id WHERE o.status = 'paid' AND a.id IS NULL
UNION ALL
SELECT 'order ' || source_id || ' has two allocations' FROM vesting_allocation
WHERE source_kind = 'order' GROUP BY source_id HAVING count(*) > 1
UNION ALL
SELECT 'tier ' || id || ' has sold more than it had' FROM tiers_tier WHERE sold_units + reserved_units > supply_units
"""


@dataclass
class Judgement:
    """One run's verdict; each count is 0 or 1. ``told`` says what was found, for people."""

    run: Run
    lost: int = 0
    doubled: int = 0
    stranded: int = 0
    told: list[str] = field(default_factory=list)


def judge(run: Run, rows: str, is_through: bool, released_base_units: int, books: Books) -> Judgement:
    """Compare one sale. Pure.

    Lost: Stripe has its money, or the rows say that its tokens left, and the other side says no. Doubled: more
    was paid or left than once. Stranded: nothing is wrong, and it did not come to its end in time.
    """
    sale, found = run.sale, Judgement(run)
    payments = books.paid_minor.get(sale.order_id, []) if sale.order_id else []
    sent = books.sent.get(sale.address.lower(), [])
    moved = sum(one.amount_base_units for one in sent)
    if len(payments) > 1:
        found.doubled = 1
        found.told.append(f"paid {len(payments)} times at Stripe")
    if moved > sale.tokens_base_units or len(sent) > 1:
        found.doubled = 1
        found.told.append(f"{len(sent)} transfers, {moved} of {sale.tokens_base_units} base units")
    if moved < released_base_units:
        found.lost = 1
        found.told.append(f"{released_base_units} base units are released here, {moved} left")
    if is_through and (moved != sale.tokens_base_units or released_base_units != sale.tokens_base_units):
        found.lost = found.lost or int(not found.doubled)
        found.told.append(f"owed {sale.tokens_base_units}, released {released_base_units}, left {moved}")
    if not is_through:
        found.stranded = 1
        found.told.append(f"{rows}; {sale.trouble}")
    return found


def judge_all(place: Place, rows: Rows, runs: Sequence[Run], books: Books) -> list[Judgement]:
    """Every run against rows and books."""
    released = {
        str(order_id): (str(status), int(amount))
        for order_id, status, amount in rows.ask(
            "SELECT o.id::text, o.status, coalesce(sum(r.amount_base_units) FILTER (WHERE r.status = 'released'), 0)"
            " FROM orders_order o LEFT JOIN vesting_release r ON r.allocation_id = o.allocation_id GROUP BY o.id"
        )
    }
    found = []
    for run in runs:
        status, amount = released.get(run.sale.order_id, ("no order", 0))
        seen = str(rows.of(run.sale.order_id)) if run.sale.order_id else status
        found.append(judge(run, seen, run.recovery_s is not None, amount, books))
    return found


def what_waits(rows: Rows, *, quiet_within_s: float) -> list[str]:
    """Rows that still wait after a while in which nothing new came."""
    deadline_s = time.monotonic() + quiet_within_s
    while (waiting := [str(row[0]) for row in rows.ask(_WAITING)]) and time.monotonic() < deadline_s:
        time.sleep(1.0)
    return waiting


def ledger_faults(place: Place, rows: Rows) -> list[str]:
    """Violations of what must always hold: our own look, and `manage.py verify_ledger` where it is."""
    found = [str(row[0]) for row in rows.ask(_LEDGER)]
    command = BACKEND / "apps" / "operations" / "management" / "commands" / "verify_ledger.py"
    if command.exists():
        done = subprocess.run(
            [sys.executable, "manage.py", "verify_ledger"],
            cwd=BACKEND,
            env=place.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            found.append(f"verify_ledger: {done.stdout}{done.stderr}")
    return found


def strangers(rows: Rows, books: Books) -> list[str]:
    """What was believed and is not so, over all orders: forged events, payments that Stripe has not or we have not."""
    events = rows.ask("SELECT event_id, event_type FROM webhooks_inboxevent")
    found = [
        f"forged event {event_id} {kind}" for event_id, kind in events if event_id not in books.event_ids
    ]
    paid = {str(row[0]) for row in rows.ask("SELECT id FROM orders_order WHERE status = 'paid'")}
    with_money = {order_id for order_id in books.paid_minor if order_id}
    found += [f"order {order_id} is paid, and Stripe has no money for it" for order_id in paid - with_money]
    found += [f"order {order_id} has money at Stripe, and is not paid" for order_id in with_money - paid]
    shared = rows.ask(
        "SELECT payment_intent_id, count(*) FROM orders_order WHERE payment_intent_id <> ''"
        " GROUP BY payment_intent_id HAVING count(*) > 1"
    )
    return found + [f"{count} orders have the PaymentIntent {intent}" for intent, count in shared]
