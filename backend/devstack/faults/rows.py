"""The rows of sales under way, read as the superuser past every door: one question for all of them at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2

_POLL_S = 0.25
_STATES = """
SELECT o.id::text, o.status, o.problem_code,
       coalesce(array_agg(r.status ORDER BY r.number) FILTER (WHERE r.id IS NOT NULL), '{}'),
       coalesce(array_agg(DISTINCT p.status || ' ' || p.hold_code) FILTER (WHERE p.id IS NOT NULL), '{}')
FROM orders_order o
LEFT JOIN vesting_release r ON r.site_id = o.site_id AND r.allocation_id = o.allocation_id
     AND r.status <> 'replaced'
LEFT JOIN payouts_payout p ON p.site_id = r.site_id AND p.id = r.payout_id
WHERE o.id = ANY(%s::uuid[]) GROUP BY o.id
"""


@dataclass(frozen=True)
class SaleRows:
    """An order, its releases' states, and its payouts' with what they are held for."""

    order: str = ""
    problem: str = ""
    releases: tuple[str, ...] = ()
    payouts: tuple[str, ...] = ()

    def are_all(self, status: str) -> bool:
        """Whether there are releases, all in this state."""
        return bool(self.releases) and set(self.releases) == {status}

    def __str__(self) -> str:
        parts = [self.order or "no order", self.problem, "/".join(self.releases), "/".join(self.payouts)]
        return ", ".join(part for part in parts if part)


class Rows:
    """Looks again and again at the orders that were named; connects again when PostgreSQL was away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._wanted: set[str] = set()
        self._seen: dict[str, SaleRows] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._connection: Any = None
        self._thread = threading.Thread(target=self._run, name="rows", daemon=True)
        self._thread.start()

    def follow(self, order_id: str) -> None:
        """Look at this order too."""
        with self._lock:
            self._wanted.add(order_id)

    def leave(self, order_ids: Sequence[str]) -> None:
        """Look at these no more."""
        with self._lock:
            self._wanted.difference_update(order_ids)

    def of(self, order_id: str) -> SaleRows:
        """What was seen last."""
        with self._lock:
            return self._seen.get(order_id, SaleRows())

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Any question, on a connection of its own. Raises psycopg2.Error."""
        connection = psycopg2.connect(self._url, connect_timeout=5, application_name="faults")
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.wait(_POLL_S):
            with self._lock:
                wanted = list(self._wanted)
            if wanted:
                try:
                    self._look(wanted)
                except psycopg2.Error:
                    self._connection = None  # PostgreSQL is away: asked again in a moment

    def _look(self, wanted: list[str]) -> None:
        if self._connection is None:
            self._connection = psycopg2.connect(self._url, connect_timeout=2, application_name="faults")
            self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(_STATES, [wanted])
            found = {row[0]: SaleRows(row[1], row[2], tuple(row[3]), tuple(row[4])) for row in cursor}
        with self._lock:
            self._seen.update(found)
