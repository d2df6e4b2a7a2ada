"""Delivers a sandbox's events: signed, retried with backoff, remembered across restarts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import requests

from devstack.sandbox_parts.faults import Fault
from devstack.sandbox_parts.store import Document, Store

DEFAULT_RETRY_DELAYS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 15.0)
_MAX_ATTEMPTS = 240  # an hour at the last delay: long enough for any local outage
_PARALLEL = 16  # some may wait for an answer that does not come
_TIMEOUT_S = 6.0
_COLUMNS = (
    "id, event_id, event_type, state, attempts, next_attempt_at, last_status, last_error, created_at,"
    " delivered_at"
)

Sign = Callable[[bytes], Mapping[str, str]]


def delivery_of(fault: Fault | None) -> Document:
    """How `enqueue` is to send an event that took this webhook fault."""
    if fault is None:
        return {}
    match fault.kind:
        case "duplicate_webhooks":
            return {"copies": 2}
        case "drop_webhooks":
            return {"drop": True}
        case "delay_webhooks":
            return {"delay_s": fault.seconds}
    return {}


def always_retry(status: int) -> bool:
    """Stripe's rule: whatever is not 2xx is sent again."""
    return not 200 <= status < 300


class WebhookSender:
    """`sign` gives the headers of one attempt, `forge` those of somebody who has not the key; `retries` says which
    statuses are sent again."""

    def __init__(
        self,
        store: Store,
        *,
        url: str | None,
        sign: Sign,
        forge: Sign | None = None,
        retries: Callable[[int], bool] = always_retry,
        retry_delays_s: Sequence[float] = DEFAULT_RETRY_DELAYS_S,
    ) -> None:
        self._store = store
        self._url = url or ""
        self._sign = sign
        self._forge = forge or sign
        self._retries = retries
        self._delays_s = tuple(retry_delays_s)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._in_flight: set[int] = set()
        self._pool: ThreadPoolExecutor | None = None
        self._thread: threading.Thread | None = None

    def enqueue(
        self,
        *,
        event_id: str,
        event_type: str,
        body: bytes,
        copies: int = 1,
        drop: bool = False,
        delay_s: float = 0.0,
        forged: bool = False,
    ) -> None:
        """Remember deliveries of an event in its own transaction; a dropped one is only listed.

        A delayed one comes behind events that were recorded later; a forged one is tried once.
        """
        if not self._url:
            return
        now = time.time()
        state = "dropped" if drop else "forged" if forged else "pending"
        for _ in range(copies):
            self._store.execute(
                "INSERT INTO deliveries (event_id, event_type, body, state, next_attempt_at, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (event_id, event_type, body, state, now + delay_s, now),
            )
        self._wake.set()

    @property
    def url(self) -> str:
        """Where webhooks go; empty: nowhere."""
        return self._url

    def set_url(self, url: str) -> None:
        """Send to another address from now on; what waits is tried at once."""
        self._url = url
        self._store.execute(
            "UPDATE deliveries SET next_attempt_at = ? WHERE state = 'pending'", (time.time(),)
        )
        self._wake.set()

    def deliveries(self, *, limit: int = 1000) -> list[Document]:
        """The newest deliveries, without their bodies."""
        rows = self._store.execute(f"SELECT {_COLUMNS} FROM deliveries ORDER BY id DESC LIMIT ?", (limit,))  # noqa: S608
        return [dict(zip(_COLUMNS.split(", "), row, strict=True)) for row in rows]

    def states_of(self, event_id: str) -> list[str]:
        """States of one event's deliveries."""
        rows = self._store.execute("SELECT state FROM deliveries WHERE event_id = ? ORDER BY id", (event_id,))
        return [str(row[0]) for row in rows]

    def start(self) -> None:
        """Begin to deliver, with what an earlier process left."""
        self._pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="webhook")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the attempts that are under way; what is left waits in the state file."""
        self._stopping.set()
        self._wake.set()
        if self._thread:
            self._thread.join(timeout=_TIMEOUT_S)
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            self._dispatch()
            self._wake.wait(self._pause_s())

    def _dispatch(self) -> None:
        with self._store.transaction():
            rows = self._store.execute(
                "SELECT id, body, state FROM deliveries WHERE state IN ('pending', 'forged')"
                " AND next_attempt_at <= ? ORDER BY id LIMIT 100",
                (time.time(),),
            )
            due = [row for row in rows if row[0] not in self._in_flight][: 2 * _PARALLEL]
            self._in_flight.update(row[0] for row in due)
        for delivery_id, body, state in due:
            if self._pool:
                self._pool.submit(self._attempt, delivery_id, body, state == "forged")

    def _pause_s(self) -> float:
        rows = self._store.execute(
            "SELECT id, next_attempt_at FROM deliveries WHERE state IN ('pending', 'forged')"
            " ORDER BY next_attempt_at LIMIT 100"
        )
        waiting = [row[1] for row in rows if row[0] not in self._in_flight]
        return min(1.0, max(0.0, waiting[0] - time.time())) if waiting else 1.0

    def _attempt(self, delivery_id: int, body: bytes, forged: bool) -> None:
        status, error = self._post(body, self._forge if forged else self._sign)
        with self._store.transaction():
            self._note(delivery_id, status, error, once=forged)
            self._in_flight.discard(delivery_id)
        self._wake.set()

    def _post(self, body: bytes, sign: Sign) -> tuple[int | None, str | None]:
        headers = {"Content-Type": "application/json; charset=utf-8", **sign(body)}
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy of the machine must not see calls to 127.0.0.1
                answer = session.post(
                    self._url, data=body, headers=headers, timeout=_TIMEOUT_S, allow_redirects=False
                )
        except requests.RequestException as failure:
            return None, type(failure).__name__
        return answer.status_code, None

    def _note(self, delivery_id: int, status: int | None, error: str | None, *, once: bool) -> None:
        rows = self._store.execute("SELECT attempts FROM deliveries WHERE id = ?", (delivery_id,))
        if not rows:  # reset() came in between
            return
        attempts = int(rows[0][0]) + 1
        now = time.time()
        delivered = status is not None and 200 <= status < 300
        again = not once and attempts < _MAX_ATTEMPTS and (status is None or self._retries(status))
        state = "delivered" if delivered else "pending" if again else "gave_up"
        delay_s = self._delays_s[min(attempts, len(self._delays_s)) - 1]
        self._store.execute(
            "UPDATE deliveries SET attempts = ?, state = ?, next_attempt_at = ?, last_status = ?,"
            " last_error = ?, delivered_at = ? WHERE id = ?",
            (attempts, state, now + delay_s, status, error, now if delivered else None, delivery_id),
        )
