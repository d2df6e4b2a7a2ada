"""Counts of what processes do, summed over all of them in one hash of Redis.

A process adds up by itself and hands its sums over every few seconds from a thread of its own: no request and no task
waits for Redis. What a kill or a Redis that was emptied takes away is lost, as counts are for watching only; nothing
of the product reads them, and Prometheus takes a counter that begins anew for what it is.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import redis
from django.conf import settings

from apps.core.needs import redis_client

logger = logging.getLogger("posx.measures")

KEY = "posx:measures"
HAND_OVER_S = 5.0
_REDIS_TIMEOUT_S = 2.0
# Labels come from routes, methods, statuses and task names, all of them bounded; this is for the day when one is not.
_MOST_FIELDS = 5_000
# Upper bounds of a duration's buckets in seconds, from a read by key to the statement timeout.
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

Fields = dict[tuple[str, ...], float]


class Measures:
    """The sums of one process that nobody has been told of yet."""

    def __init__(self, hand_over: Callable[[Fields], None], every_s: float = HAND_OVER_S) -> None:
        self._hand_over, self._every_s = hand_over, every_s
        self._lock = threading.Lock()
        self._sums: Fields = {}
        self._pid = 0
        self._stopping = threading.Event()
        self._said = False

    def add(self, additions: Iterable[tuple[tuple[str, ...], float]]) -> None:
        """Add each amount to the sum of its (name, label values...)."""
        with self._lock:
            if self._pid != os.getpid():
                self._begin()
            for field, amount in additions:
                if field in self._sums or len(self._sums) < _MOST_FIELDS:
                    self._sums[field] = self._sums.get(field, 0) + amount

    def flush(self) -> None:
        """Hand over what there is; on a failure it is kept for the next time."""
        with self._lock:
            taken, self._sums = self._sums, {}
        if not taken:
            return
        try:
            self._hand_over(taken)
            self._said = False
        except redis.RedisError as exc:
            self.add(taken.items())
            if not self._said:
                logger.warning("counts are not handed over: Cannot connect to Redis: %s", type(exc).__name__)
            self._said = True

    def _begin(self) -> None:
        """A fork has its parent's sums, which the parent hands over, and none of its threads."""
        self._pid, self._sums, self._stopping = os.getpid(), {}, threading.Event()
        threading.Thread(target=self._run, args=[self._stopping], name="measures", daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(self._every_s):
            self.flush()


def _to_redis(sums: Fields) -> None:
    with redis_client(settings.REDIS_URL, timeout_s=_REDIS_TIMEOUT_S) as client:
        pipeline = client.pipeline(transaction=True)
        for field, amount in sums.items():
            pipeline.hincrbyfloat(KEY, json.dumps(field), amount)
        pipeline.execute()


_measures = Measures(_to_redis)
flush = _measures.flush


def count(name: str, *labels: str) -> None:
    """One more of it."""
    _measures.add([((name, *labels), 1)])


def observe(name: str, *labels: str, duration_s: float) -> None:
    """One more that took this long: fields ``name_bucket`` (labels and upper bound) and ``name_sum``."""
    bound = next((str(bound) for bound in BUCKETS_S if duration_s <= bound), "+Inf")
    _measures.add([((f"{name}_bucket", *labels, bound), 1), ((f"{name}_sum", *labels), duration_s)])


def totals(*, timeout_s: float) -> Fields:
    """What all processes have handed over. Raises redis.RedisError."""
    with redis_client(settings.REDIS_URL, timeout_s=timeout_s) as client:
        held: dict[bytes, bytes] = client.hgetall(KEY)
    return {tuple(json.loads(field)): float(amount) for field, amount in held.items()}


def keep(name: str, value: Any) -> None:
    """Keep one JSON value beside the counts, for the page that shows them. Raises redis.RedisError."""
    with redis_client(settings.REDIS_URL, timeout_s=_REDIS_TIMEOUT_S) as client:
        client.set(f"{KEY}:{name}", json.dumps(value))


def kept(name: str, *, timeout_s: float) -> Any:
    """What was kept last, or None. Raises redis.RedisError."""
    with redis_client(settings.REDIS_URL, timeout_s=timeout_s) as client:
        value: bytes | None = client.get(f"{KEY}:{name}")
    return None if value is None else json.loads(value)
