"""The race and what comes after it: waves of wishes, the bank's word, and waiting until every unit is sold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from devstack.crowd.market import Market
from devstack.crowd.people import Habit, Sale, Wish, again
from devstack.crowd.shopper import Told, carry_out
from devstack.crowd.watch import Stock, stocks_of

Tell = Callable[[str, int, int], None]
_POLL_S = 0.5
_HELD = """
SELECT count(*) FILTER (WHERE status = 'pending' AND expires_at < now()), count(*) FILTER (WHERE expires_at >= now())
FROM orders_order WHERE id = ANY(%(ids)s::uuid[])
"""


@dataclass
class Race:
    """``told``: of every wish. ``held_by_bank``: orders that were in processing, and of them those still held after
    their hold was over; ``waves`` counts how often somebody came again for units that were given back."""

    market: Market
    at_once: int
    tell: Tell
    told: list[Told] = field(default_factory=list)
    waves: int = 0
    bank_orders: int = 0
    held_by_bank: int = 0
    first_wave_s: float = 0.0
    _closing_wishes_left: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, wishes: Sequence[Wish]) -> None:
        """The first wave. The closing tier's window ends when half of its wishes are under way."""
        self._closing_wishes_left = sum(wish.sale is Sale.CLOSING for wish in wishes) // 2
        began_s = time.monotonic()
        self._wave("race", wishes)
        self.first_wave_s = time.monotonic() - began_s

    def sell_out(self, *, patience_s: float) -> None:
        """Come again for whatever is given back until all is sold and nobody holds anything.

        Given up when no unit has moved for ``patience_s``: how long the whole takes is the machine's business.
        """
        disappointed = [
            again(one.wish) for one in self.told if one.wish.sale is Sale.RUSH and one.code == "sold_out"
        ]
        bank = [one for one in self.told if one.wish.habit is Habit.BANK and one.then == "processing"]
        before: dict[str, Stock] = {}
        deadline_s = time.monotonic() + patience_s
        while time.monotonic() < deadline_s:
            stocks = stocks_of(self.market)
            if stocks != before:
                before, deadline_s = stocks, time.monotonic() + patience_s
            rush = stocks[self.market.tiers[Sale.RUSH]]
            if not any(stock.reserved for stock in stocks.values()) and (not rush.left or not disappointed):
                return
            self.tell("until all is sold", rush.sold, rush.supply)
            if rush.left > 0 and disappointed:
                self.waves += 1
                number = max(4 * rush.left, self.at_once)
                wave, disappointed = disappointed[:number], disappointed[number:]
                self._wave(f"wave {self.waves + 1}", wave)
            elif bank and self._bank_holds(stocks.values(), bank):
                self._bank_speaks(bank)
                bank = []
            else:
                time.sleep(_POLL_S)

    def _wave(self, name: str, wishes: Sequence[Wish]) -> None:
        with ThreadPoolExecutor(self.at_once, thread_name_prefix="shopper") as pool:
            asked = [pool.submit(self._shop, wish) for wish in wishes]
            for done, future in enumerate(as_completed(asked), start=1):
                self.told.append(future.result())
                self.tell(name, done, len(asked))

    def _shop(self, wish: Wish) -> Told:
        if wish.sale is Sale.CLOSING:
            with self._lock:
                self._closing_wishes_left -= 1
                is_half = self._closing_wishes_left == 0
            if is_half:
                self.market.close_soon()
        return carry_out(self.market, wish)

    def _bank_holds(self, stocks: Iterable[Stock], bank: Sequence[Told]) -> bool:
        """Whether every hold is over and all that is still reserved waits for a bank."""
        pending = sum(stock.pending_orders for stock in stocks)
        waiting = sum(one.wish.quantity_units for one in bank)
        ((held, not_over),) = self.market.ask(_HELD, {"ids": [one.order_id for one in bank]})
        self.bank_orders, self.held_by_bank = len(bank), held
        return bool(pending <= waiting and not not_over)

    def _bank_speaks(self, bank: Sequence[Told]) -> None:
        for number, one in enumerate(bank):
            self.market.settle(one.intent_id, ("succeeded", "failed")[number % 2])
