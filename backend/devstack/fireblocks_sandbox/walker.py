"""Moves transactions on in the background; what is under way is in the state file, so a restart goes on."""

from __future__ import annotations

import threading

from devstack.fireblocks_sandbox.transactions import Transactions
from devstack.sandbox_parts.store import Store


class Walker:
    """One thread that takes every due step."""

    def __init__(self, store: Store, transactions: Transactions, *, step_s: float) -> None:
        self._store = store
        self._transactions = transactions
        self._pause_s = min(0.1, max(0.01, step_s / 4))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin, with what an earlier process left."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the step under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_s):
            for walk in list(self._store.newest("walk")):
                with self._store.transaction():
                    self._transactions.step(walk["id"])
