"""What `celery -A config worker` adds to Celery's worker: it waits for the database and its migrations before it
takes tasks, and then says every few seconds that it lives."""

import logging
import os
import secrets
import threading
import time
from typing import Any

from celery import __version__ as celery_version
from celery import bootsteps
from celery.apps import worker as worker_app
from celery.worker import state
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from apps.core.heartbeats import heartbeat, heartbeat_end
from apps.core.needs import DATABASE, MIGRATIONS, reason_of
from apps.core.waiting import wait_for
from config import task_measures  # noqa: F401 - connects to the signals of tasks
from config.start_lines import say_in_signal_handler

logger = logging.getLogger("celery.worker")

HEARTBEAT_S = 5.0
# The event loop moves this on each second; when it hangs, the sign of life must stop too.
LOOP_TICK_S = 1.0
LOOP_HANGS_AFTER_S = 10.0


# Celery's own writes plain text past all logging, between two empty lines.
worker_app.safe_say = say_in_signal_handler  # type: ignore[attr-defined]  # not in the stubs


class WaitingWorker(worker_app.Worker):
    """Celery's worker program. It waits for its broker by itself; here it waits for PostgreSQL."""

    def emit_banner(self) -> None:
        """One log line instead of a picture."""
        worker: Any = self  # the stubs know no attribute of it
        logger.info(
            "worker starting: %s, Celery %s, concurrency %s, broker %s, %d tasks known",
            *(worker.hostname, celery_version, worker.concurrency, worker.app.connection().as_uri()),
            len([name for name in worker.app.tasks if not name.startswith("celery.")]),
        )

    def on_start(self) -> None:
        """After the banner, when signals are handled and before anything is started or forked."""
        super().on_start()
        wait_for([DATABASE, MIGRATIONS], say=logger.warning, pause=_pause)
        connection.close()  # the pool's processes must not share it


class HeartbeatStep(bootsteps.StartStopStep):
    """Starts with each connection to the broker and stops when it is lost: a heartbeat means that tasks are taken.

    A thread of its own writes it, as a database that hangs must not stop the event loop, which enforces time limits.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._name = f"{consumer.hostname}:{os.getpid()}:{secrets.token_hex(4)}"
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._tick: Any = None
        self._loop_at_s = 0.0
        self._said = ""

    def start(self, consumer: Any) -> None:
        """Begin, or begin again after the broker was away."""
        self._loop_alive()
        self._tick = consumer.timer.call_repeatedly(LOOP_TICK_S, self._loop_alive)
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=[self._stopping], name="heartbeat", daemon=True
        )
        self._thread.start()

    def stop(self, consumer: Any) -> None:
        """Take the row away; a database that cannot be reached lets it grow old instead."""
        self._stopping.set()
        if self._tick is not None:
            self._tick.cancel()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    shutdown = stop

    def _loop_alive(self) -> None:
        self._loop_at_s = time.monotonic()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            if time.monotonic() - self._loop_at_s < LOOP_HANGS_AFTER_S:
                self._write(lambda: heartbeat(name=self._name, version=settings.VERSION))
            stopping.wait(HEARTBEAT_S)
        self._write(lambda: heartbeat_end(name=self._name))
        connection.close()

    def _write(self, statement: Any) -> None:
        try:
            close_old_connections()
            statement()
            self._said = ""
        except (DatabaseError, InterfaceError) as exc:
            connection.close()  # a broken one would fail for ever
            if not self._said:
                logger.warning("heartbeat not written: %s", reason_of(exc))
            self._said = "failed"


def _pause(pause_s: float) -> None:
    """Sleep in short steps, so that SIGTERM ends the wait. Raises WorkerShutdown."""
    until_s = time.monotonic() + pause_s
    while (left_s := until_s - time.monotonic()) > 0:
        state.maybe_shutdown()
        time.sleep(min(left_s, 0.2))
    state.maybe_shutdown()
