"""Looks at the rows again and again while the race is on: what must hold at the end must hold all the time."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import psycopg2

from devstack.crowd.market import Market
from devstack.crowd.people import LIMIT_UNITS

_POLL_S = 0.5
# One statement, one snapshot: counters and orders are of the same moment.
_STOCK = """
SELECT t.id::text, t.supply_units, t.reserved_units, t.sold_units,
       coalesce(sum(o.quantity_units) FILTER (WHERE o.status = 'pending'), 0),
       coalesce(sum(o.quantity_units) FILTER (WHERE o.status IN ('paid', 'disputed')), 0)
FROM tiers_tier t LEFT JOIN orders_order o ON o.site_id = t.site_id AND o.tier_id = t.id
WHERE t.id = ANY(%(tiers)s::uuid[]) GROUP BY t.id
"""
_ABOVE_LIMIT = """
SELECT count(*) FROM (
  SELECT 1 FROM orders_order WHERE tier_id = ANY(%(tiers)s::uuid[]) AND status IN ('pending', 'paid', 'disputed')
  GROUP BY tier_id, buyer_id HAVING sum(quantity_units) > %(limit)s) above
"""


@dataclass(frozen=True)
class Stock:
    """A tier's units at one moment: its counters, and the sums of the orders behind them."""

    supply: int
    reserved: int
    sold: int
    pending_orders: int
    paid_orders: int

    @property
    def left(self) -> int:
        """Units that can still be reserved."""
        return self.supply - self.reserved - self.sold

    @property
    def held_by_orders(self) -> int:
        """Units that somebody has an order for that they can pay, or have paid."""
        return self.pending_orders + self.paid_orders


@dataclass
class Seen:
    """Over all looks: how many there were, the most units held at once by tier, and what did not hold."""

    looks: int = 0
    peak: dict[str, int] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)

    def add(self, stocks: dict[str, Stock], buyers_above_limit: int) -> None:
        """Judge one look."""
        self.looks += 1
        for tier, stock in stocks.items():
            self.peak[tier] = max(self.peak.get(tier, 0), stock.held_by_orders)
            if stock.held_by_orders > stock.supply:
                self.wrong.add(f"oversold in the race: tier {tier} has more units in orders than it has")
            if (stock.reserved, stock.sold) != (stock.pending_orders, stock.paid_orders):
                self.wrong.add(
                    f"miscounted in the race: the counters of tier {tier} are not its orders' sums"
                )
        if buyers_above_limit:
            self.wrong.add("above the limit in the race: some buyer has more units than one may have")


def stocks_of(market: Market) -> dict[str, Stock]:
    """Both tiers now, by id."""
    rows = market.ask(_STOCK, {"tiers": list(market.tiers.values())})
    return {row[0]: Stock(*map(int, row[1:])) for row in rows}


def buyers_above_limit(market: Market) -> int:
    """How many have more than they may, now."""
    values = {"tiers": list(market.tiers.values()), "limit": LIMIT_UNITS}
    return int(market.ask(_ABOVE_LIMIT, values)[0][0])


class Watch:
    """Looks in a thread of its own until `stop`."""

    def __init__(self, market: Market) -> None:
        self.seen = Seen()
        self._market = market
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopping.wait(_POLL_S):
            try:
                self.seen.add(stocks_of(self._market), buyers_above_limit(self._market))
            except psycopg2.Error:
                # No connection was free: the number of looks is shown, and the last one is after the race.
                continue
