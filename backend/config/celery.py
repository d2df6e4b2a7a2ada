"""The Celery application. `celery -A config worker` and `beat` work as the deployment guide writes them."""

import logging
import os
from contextlib import ExitStack
from typing import Any

from celery import Celery, signals
from celery.app.task import Task
from django.db import close_old_connections
from kombu.utils.objects import cached_property

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")


class PosxCelery(Celery):
    """Celery whose beat holds a lease: a second one stands by instead of sending everything twice. Its worker waits
    for the database."""

    @cached_property
    def Beat(self) -> Any:  # noqa: N802 - Celery's name
        """Our beat, with the stock DatabaseScheduler or any other."""
        return self.subclass_with_self("config.beat:LeasedBeat")  # type: ignore[arg-type]  # as Celery itself

    @cached_property
    def Worker(self) -> Any:  # noqa: N802 - Celery's name
        """Our worker program."""
        return self.subclass_with_self("config.worker:WaitingWorker")  # type: ignore[arg-type]  # as Celery itself


app = PosxCelery("posx")
app.steps["consumer"].add("config.worker:HeartbeatStep")  # by name: only a worker imports it
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

_running: dict[str, ExitStack] = {}


@signals.setup_logging.connect
def keep_our_logging(loglevel: int | None = None, **_: Any) -> None:
    """Celery would log to stderr, where Railway shows every line as an error; Django's LOGGING stays.

    `--loglevel` still counts.
    """
    if loglevel is not None:
        logging.getLogger().setLevel(loglevel)


@signals.task_prerun.connect
def bind_request(task_id: str, task: Task[Any, Any], **_: Any) -> None:
    """Logs and audit rows of a task carry the id of the request that rang for it, or the task's own.

    Celery keeps the database connection for CELERY_DB_REUSE_MAX tasks without looking at it; one that the
    server has dropped would fail each of them, so it is looked at here.
    """
    from apps.core.context import bind_request_id
    from apps.core.doorbells import REQUEST_ID_HEADER

    close_old_connections()
    stack = _running[task_id] = ExitStack()
    stack.enter_context(bind_request_id(task.request.get(REQUEST_ID_HEADER) or task_id))


@signals.task_postrun.connect
def unbind_request(task_id: str, **_: Any) -> None:
    """Forget it again: a pool process runs many tasks."""
    stack = _running.pop(task_id, None)
    if stack is not None:
        stack.close()
