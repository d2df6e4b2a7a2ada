"""What became of tasks and how long they took, counted in the process that ran them.

A task whose process died or ran into the hard time limit is counted by the worker's main process, which sends the same
signal.
"""

from __future__ import annotations

import time
from typing import Any

from celery import signals
from celery.app.task import Task

from apps.core.measures import count, flush, observe

_started_s: dict[str, float] = {}


@signals.task_prerun.connect
def _begins(task_id: str, **_: Any) -> None:
    _started_s[task_id] = time.monotonic()


@signals.task_postrun.connect
def _ended(task_id: str, task: Task[Any, Any], **_: Any) -> None:
    started_s = _started_s.pop(task_id, None)
    if started_s is not None:
        observe("task_duration_seconds", task.name, duration_s=time.monotonic() - started_s)


@signals.task_success.connect
def _succeeded(sender: Task[Any, Any], **_: Any) -> None:
    count("tasks_total", sender.name, "succeeded")


@signals.task_failure.connect
def _failed(sender: Task[Any, Any], **_: Any) -> None:
    count("tasks_total", sender.name, "failed")


@signals.task_retry.connect
def _tried_again(sender: Task[Any, Any], **_: Any) -> None:
    count("tasks_total", sender.name, "retried")


@signals.worker_process_shutdown.connect
def _goes(**_: Any) -> None:
    flush()
