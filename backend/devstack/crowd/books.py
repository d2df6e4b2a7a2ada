"""The books after the race: orders, counters and Stripe's money, and what is wrong with them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import requests

from devstack.crowd.market import Market
from devstack.crowd.people import LIMIT_UNITS, Sale
from devstack.crowd.shopper import Told
from devstack.crowd.watch import Stock, stocks_of
from devstack.environment import BACKEND

HOLDING = frozenset({"pending", "paid", "disputed"})
# What a buyer may be told; everything else is a fault.
EXPECTED = frozenset({"", "sold_out", "buyer_limit_reached", "tier_closed"})
_ORDERS = """
SELECT o.id::text, o.tier_id::text, o.buyer_id::text, o.quantity_units, o.status, o.problem_code, o.amount_minor,
  o.refunded_minor, coalesce(k.key, '')
FROM orders_order o
LEFT JOIN idempotency_idempotencykey k ON k.site_id = o.site_id AND k.target_id = o.id
WHERE o.tier_id = ANY(%(tiers)s::uuid[])
"""
_BUYERS = """
SELECT tier_id::text, buyer_id::text, reserved_units, sold_units FROM tiers_buyerunits
WHERE tier_id = ANY(%(tiers)s::uuid[]) AND (reserved_units > 0 OR sold_units > 0)
"""


@dataclass(frozen=True)
class OrderRow:
    """An order as its row says, and the Idempotency-Key that it was asked for by."""

    id: str
    tier: str
    buyer: str
    units: int
    status: str
    problem: str
    amount_minor: int
    refunded_minor: int
    key: str

    @property
    def made_at_s(self) -> float:
        """When its id was made, which is before its units were reserved (a version 7 UUID begins with the time)."""
        return (UUID(self.id).int >> 80) / 1000


@dataclass(frozen=True)
class Books:
    """All of one race. ``paid_minor``: what Stripe received, by order id. ``buyer_units``: (reserved, sold) by
    (tier, buyer). ``ledger``: what `manage.py verify_ledger` printed when it did not like something."""

    rush: str
    closing: str
    units: int
    closes_at_s: float
    stocks: dict[str, Stock]
    orders: Sequence[OrderRow]
    buyer_units: dict[tuple[str, str], tuple[int, int]]
    paid_minor: dict[str, list[int]]
    ledger: str = ""


def books_of(market: Market, *, units: int) -> Books:
    """Read them."""
    values = {"tiers": list(market.tiers.values())}
    answer = requests.get(f"{market.place.stripe_url}/_sandbox/state", timeout=120)
    answer.raise_for_status()
    paid: dict[str, list[int]] = defaultdict(list)
    for intent in answer.json()["payment_intents"]:
        if intent["status"] == "succeeded":
            paid[str(intent["metadata"].get("order_id", ""))].append(int(intent["amount_received"]))
    return Books(
        rush=market.tiers[Sale.RUSH],
        closing=market.tiers[Sale.CLOSING],
        units=units,
        closes_at_s=market.closes_at.timestamp() if market.closes_at else 0.0,
        stocks=stocks_of(market),
        orders=[OrderRow(*row) for row in market.ask(_ORDERS, values)],
        buyer_units={(row[0], row[1]): (row[2], row[3]) for row in market.ask(_BUYERS, values)},
        paid_minor=dict(paid),
        ledger=_ledger(market),
    )


def faults_of(books: Books, told: Sequence[Told]) -> list[str]:
    """Everything that is not as it must be, one sentence each. Pure."""
    return [
        *_of_stock(books),
        *_of_buyers(books),
        *_of_window(books, told),
        *_of_money(books),
        *_of_answers(books, told),
        *([f"verify_ledger: {books.ledger}"] if books.ledger else []),
    ]


def _of_stock(books: Books) -> list[str]:
    found = []
    for tier, stock in books.stocks.items():
        if stock.held_by_orders > stock.supply:
            over = stock.held_by_orders - stock.supply
            found.append(f"oversold: tier {tier} has {over} units more in orders than it has")
        if (stock.reserved, stock.sold) != (stock.pending_orders, stock.paid_orders):
            found.append(f"miscounted: tier {tier} says {stock}")
        if stock.pending_orders or stock.reserved:
            found.append(f"not given back: tier {tier} still has {stock.reserved} units reserved")
    if books.stocks[books.rush].paid_orders != books.units:
        found.append(f"sold {books.stocks[books.rush].paid_orders} units instead of {books.units}")
    return found


def _of_buyers(books: Books) -> list[str]:
    held: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for order in books.orders:
        if order.status in HOLDING:
            held[order.tier, order.buyer][order.status != "pending"] += order.units
    found = [
        f"above the limit: buyer {buyer} has {sum(units)} units"
        for (_tier, buyer), units in held.items()
        if sum(units) > LIMIT_UNITS
    ]
    if {place: tuple(units) for place, units in held.items()} != books.buyer_units:
        found.append("miscounted: the counters of buyers are not the sums of their orders")
    return found


def _of_window(books: Books, told: Sequence[Told]) -> list[str]:
    """Clients and server share a clock. Who asked after the end has no order; who was answered before it was not
    refused for it."""
    late = [order for order in books.orders if order.tier == books.closing]
    found = [
        f"outside the window: order {order.id} began {order.made_at_s - books.closes_at_s:.3f} s after it"
        for order in late
        if order.made_at_s >= books.closes_at_s
    ]
    closing = [one for one in told if one.wish.sale is Sale.CLOSING]
    found += [
        f"outside the window: order {one.order_id} was asked for after it"
        for one in closing
        if one.order_id and one.sent_at_s >= books.closes_at_s
    ]
    found += [
        f"inside the window: buyer {one.wish.buyer} was refused before it closed"
        for one in told
        if one.code == "tier_closed"
        and (one.wish.sale is not Sale.CLOSING or one.answered_at_s < books.closes_at_s)
    ]
    codes = Counter(one.code for one in closing)
    if not codes[""] or not codes["tier_closed"]:
        found.append(f"the window did not close in the middle of the race: {dict(codes)}")
    return found


def _of_money(books: Books) -> list[str]:
    orders = {order.id: order for order in books.orders}
    found = [
        f"order {order.id} needs a person: {order.problem}" for order in orders.values() if order.problem
    ]
    for order_id, payments in books.paid_minor.items():
        order = orders.get(order_id)
        if order is None or payments != [order.amount_minor]:
            found.append(f"order {order_id} was paid {payments}")
        elif order.status != "paid" and order.refunded_minor != order.amount_minor:
            found.append(f"lost: order {order_id} has money at Stripe, and is {order.status}")
    found += [
        f"order {order.id} is paid, and Stripe has no money for it"
        for order in orders.values()
        if order.status == "paid" and order.id not in books.paid_minor
    ]
    return found


def _of_answers(books: Books, told: Sequence[Told]) -> list[str]:
    strange = Counter(f"{one.status} {one.code}" for one in told if one.code not in EXPECTED)
    found = [f"{count} buyers were answered {answer}" for answer, count in strange.items()]
    named = {one.order_id for one in told if one.order_id}
    made = {order.id for order in books.orders}
    if named - made:
        found.append(f"lost: {len(named - made)} orders that were confirmed to buyers are not there")
    # Whoever stopped waiting and asked again may have been refused before the first request had its turn.
    refused = {one.key for one in told if one.tries > 1 and not one.order_id}
    found += [
        f"order {order.id} is there, and nobody was told of it"
        for order in books.orders
        if order.id not in named and order.key not in refused
    ]
    return found


def _ledger(market: Market) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", "verify_ledger"],
        cwd=BACKEND,
        env=market.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout}{done.stderr}".strip() if done.returncode else ""
