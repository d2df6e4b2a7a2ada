"""Doorbells: messages that wake a worker after commit. The work is a row; a lost bell only delays it."""

import logging
import threading
import time
from functools import partial
from typing import Any

from celery import Celery, current_app
from django.db import transaction
from kombu import Connection
from kombu.pools import ProducerPool
from kombu.transport import redis as kombu_redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.core.context import current_request_id

logger = logging.getLogger("posx.doorbells")

BROKER_TIMEOUT_S = 1
QUIET_AFTER_FAILURE_S = 5
EXPIRES_S = 600  # by then a sweeper has found the row; older bells would only pile up behind a stopped worker
POOL_SIZE = 4
REQUEST_ID_HEADER = "posx_request_id"


class _Channel(kombu_redis.Channel):
    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """Without redis-py's own retries, which would turn the one second into ten."""
        parameters = super()._connparams(asynchronous)  # type: ignore[misc]  # missing in the stubs
        return {**parameters, "retry": Retry(NoBackoff(), 0)}


class _Transport(kombu_redis.Transport):
    Channel = _Channel


class _Bell:
    """A producer pool of its own: the one that Celery shares has neither short timeouts nor this patience."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ProducerPool | None = None
        self._url = ""
        self._quiet_until_s = 0.0

    def is_quiet(self) -> bool:
        """True for a few seconds after a failure, so that requests do not each wait for a dead broker."""
        return time.monotonic() < self._quiet_until_s

    def send(self, app: Celery, name: str, args: tuple[str, ...]) -> None:
        """Publish once, without retries. Raises what the broker's client raises."""
        try:
            with self._producers(app).acquire(block=True, timeout=BROKER_TIMEOUT_S) as producer:
                app.send_task(
                    name,
                    args=args,
                    producer=producer,
                    retry=False,
                    expires=EXPIRES_S,
                    ignore_result=True,
                    headers={REQUEST_ID_HEADER: current_request_id()},
                )
        except Exception:
            self.forget()
            self._quiet_until_s = time.monotonic() + QUIET_AFTER_FAILURE_S
            raise

    def forget(self) -> None:
        """Drop the pool: its sockets may be dead, and waiting for each of them costs a second."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.connections.force_close_all()

    def _producers(self, app: Celery) -> ProducerPool:
        url = str(app.conf.broker_write_url or app.conf.broker_url)
        with self._lock:
            if self._pool is None or self._url != url:
                self._pool, self._url = _producer_pool(url), url
            return self._pool


def _producer_pool(url: str) -> ProducerPool:
    connection = Connection(
        url,
        transport=_Transport if url.startswith("redis") else None,
        connect_timeout=BROKER_TIMEOUT_S,
        transport_options={
            "socket_timeout": BROKER_TIMEOUT_S,
            "socket_connect_timeout": BROKER_TIMEOUT_S,
            "max_retries": 0,
        },
    )
    return ProducerPool(connections=connection.Pool(limit=POOL_SIZE), limit=POOL_SIZE)


_bell = _Bell()


def ring(task_name: str, *args: str) -> None:
    """Wake a worker for a row that the open transaction (or the one just committed) has written.

    Leaves after the outermost commit and vanishes on rollback. Never raises: the row is the work, and a
    sweeper finds it when the bell is lost. Arguments are ids as text.
    """
    for arg in args:
        if not isinstance(arg, str):
            raise TypeError(f"a doorbell carries ids as text, not {type(arg).__name__}")
    transaction.on_commit(partial(_send, task_name, args), robust=True)


def _send(task_name: str, args: tuple[str, ...]) -> None:
    if _bell.is_quiet():
        logger.warning("doorbell lost: %s (the broker failed a moment ago)", task_name)
        return
    try:
        _bell.send(current_app, task_name, args)
    except Exception as exc:  # safe: the row is committed and swept; a bell must not break what has succeeded
        logger.warning("doorbell lost: %s (%s: %s)", task_name, type(exc).__name__, exc)
