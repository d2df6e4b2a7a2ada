"""One beat: any number may run, the holder of a lease row sends. The gate sits around the scheduler's tick,
so that the deployment's command with the stock DatabaseScheduler works as written."""

import logging
import os
import secrets
import socket
import time
from typing import Any

from celery import __version__ as celery_version
from celery import beat
from celery.apps import beat as beat_app
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from apps.core.leases import release_lease, renew_lease
from apps.core.needs import BROKER, DATABASE, MIGRATIONS, reason_of
from apps.core.waiting import wait_for

logger = logging.getLogger("celery.beat")

LEASE_NAME = "beat"
LEASE_S = 4
TICK_S = 1.0


class Leadership:
    """This process's view of the lease. Logs when it is gained, lost, or first found with somebody else."""

    def __init__(self) -> None:
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.leading = False
        self._renewed_s = 0.0
        self._said = ""

    def hold(self) -> bool:
        """Renew at most once a second; False when another holds it or the database is away."""
        if self.leading and time.monotonic() - self._renewed_s < TICK_S:
            return True
        asked_s = time.monotonic()
        leading, why = self._ask()
        if leading:
            self._renewed_s = asked_s  # from before the question: the lease runs from then at the earliest
        self._tell(leading, why)
        self.leading = leading
        return leading

    def release(self) -> None:
        """Give the lease up on a clean stop; a lease that cannot be reached runs out by itself."""
        if not self.leading:
            return
        self.leading = False
        try:
            release_lease(name=LEASE_NAME, holder=self.holder)
        except (DatabaseError, InterfaceError) as exc:
            logger.warning("beat: could not release the lease, it ends within %d s: %s", LEASE_S, exc)
        else:
            logger.info("beat: lease released")

    def _ask(self) -> tuple[bool, str]:
        try:
            close_old_connections()
            return renew_lease(name=LEASE_NAME, holder=self.holder, lease_s=LEASE_S), "another beat leads"
        except (DatabaseError, InterfaceError) as exc:
            connection.close()  # a broken one would fail for ever
            return False, reason_of(exc)

    def _tell(self, leading: bool, why: str) -> None:
        said = "leading" if leading else why
        if said == self._said:
            return
        if leading:
            logger.info("beat: leading as %s", self.holder)
        else:
            lost = "lost the lease, " if self.leading else ""
            logger.warning("beat: %sstanding by: %s", lost, why)
        self._said = said


class LeasedService(beat.Service):
    """Celery's service, whose scheduler ticks only while this process leads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.leadership = Leadership()

    def start(self, embedded_process: bool = False) -> None:
        """Wait for what it needs, then stand by until leading: building the scheduler already writes to it."""
        try:
            wait_for([DATABASE, MIGRATIONS, BROKER], say=logger.warning)
            while not (self.leadership.hold() and self._has_scheduler()):
                time.sleep(TICK_S)
        except (KeyboardInterrupt, SystemExit):
            self.sync()
            return
        super().start(embedded_process)

    def _has_scheduler(self) -> bool:
        try:
            return self.scheduler is not None  # built on first access
        except (DatabaseError, InterfaceError) as exc:
            logger.warning("beat: cannot read the schedule yet: %s", reason_of(exc))
            connection.close()
            return False

    def get_scheduler(self, lazy: bool = False, extension_namespace: str = "celery.beat_schedulers") -> Any:
        """The scheduler of the command line, its tick gated. The lazy one only fills the banner."""
        scheduler = super().get_scheduler(lazy=lazy, extension_namespace=extension_namespace)
        if not lazy:
            _gate(scheduler, self.leadership)
        return scheduler

    def sync(self) -> None:
        """Write the schedule, then give up the lease, so that the next one reads what was sent.

        Celery's signal handler calls this while standing by too; there is no scheduler yet, nor a reason to
        build one in order to close it.
        """
        if "scheduler" in self.__dict__ and self.leadership.leading:
            super().sync()
        self._is_stopped.set()  # type: ignore[attr-defined]  # missing in the stubs
        self.leadership.release()


class LeasedBeat(beat_app.Beat):
    """What `celery -A config beat` runs."""

    Service = LeasedService

    def run(self) -> None:
        """Celery prints a picture before logging is set up; a log line takes its place."""
        self.quiet = True
        super().run()

    def setup_logging(self, colorize: bool | None = None) -> None:
        """Celery's, then the line."""
        super().setup_logging(colorize)
        app: Any = self.app  # the stubs allow None
        logger.info("beat starting: Celery %s, broker %s", celery_version, app.connection().as_uri())


def _gate(scheduler: Any, leadership: Leadership) -> None:
    """Wrap `tick`: no lease, no tick. A gained lease first reloads what the last leader sent."""
    tick = scheduler.tick
    was_leading = leadership.leading

    def leased_tick(*args: Any, **kwargs: Any) -> float:
        nonlocal was_leading
        leading = leadership.hold()
        if leading is not was_leading:
            _forget(scheduler)
        was_leading = leading
        if not leading:
            return TICK_S
        try:
            return float(min(tick(*args, **kwargs), TICK_S))
        except (DatabaseError, InterfaceError) as exc:
            logger.warning("beat: tick given up: %s", reason_of(exc))
            connection.close()
            was_leading = False  # half a tick may have been forgotten: read it all again
            return TICK_S

    scheduler.tick = leased_tick


def _forget(scheduler: Any) -> None:
    """Drop what this process remembers of last_run_at, to be read again at the next tick.

    Gaining the lease: another beat has sent since. Losing it: an older last_run_at must not be written back.
    """
    scheduler._dirty = set()
    scheduler._heap = None
    scheduler.old_schedulers = None
    scheduler._initial_read = True
