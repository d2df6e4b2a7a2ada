"""Provider-side idempotency keys: claim, replay, refuse. Kept for 24 hours, as both providers do."""

from __future__ import annotations

import time
from dataclasses import dataclass

from devstack.http_messages import Response
from devstack.sandbox_parts.store import Store

KEEP_S = 24 * 3600


class KeyInUse(Exception):
    """Another request with this key is still running."""


@dataclass(frozen=True)
class StoredAnswer:
    """What the first request with a key was answered."""

    fingerprint: str
    status: int
    body: bytes


class IdempotencyKeys:
    """Running keys live in memory, so that a crash leaves none locked; answers live in the state file."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: set[str] = set()

    def claim(self, key: str) -> StoredAnswer | None:
        """Return the stored answer, or None and the key is claimed; KeyInUse while another request runs."""
        with self._store.transaction():
            if key in self._running:
                raise KeyInUse
            self._store.execute("DELETE FROM idempotency_keys WHERE created_at < ?", (time.time() - KEEP_S,))
            rows = self._store.execute(
                "SELECT fingerprint, status, body FROM idempotency_keys WHERE key = ?", (key,)
            )
            if rows:
                return StoredAnswer(*rows[0])
            self._running.add(key)
            return None

    def keep(self, key: str, fingerprint: str, response: Response) -> None:
        """Store the answer; to be called in the transaction that holds the request's effects."""
        self._store.execute(
            "INSERT INTO idempotency_keys (key, fingerprint, status, body, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (key, fingerprint, response.status, response.body, time.time()),
        )

    def release(self, key: str) -> None:
        """The request with this key has ended."""
        with self._store.transaction():
            self._running.discard(key)
