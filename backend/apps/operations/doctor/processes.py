"""Worker, beat and its schedule, by what they leave in the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.schedules import maybe_schedule
from django.conf import settings
from django_celery_beat.models import PeriodicTask

from apps.operations import database_checks
from apps.operations.doctor.findings import Finding, fine, found


def _worker(cursor: Any) -> Finding:
    check = database_checks.worker(cursor)
    if not check.ok:
        return found("worker.silent", check.reason)
    versions = sorted(check.figures["versions"])
    if versions != [settings.VERSION]:
        return found(
            "worker.other_version",
            f"this is {_short(settings.VERSION)}, workers: {', '.join(map(_short, versions))}",
        )
    return fine("worker", f"{check.figures['alive']} alive, of this build")


# Each beat has one connection, by its name; a login sees those of its own. Behind a pooler there is no telling.
_BEATS = """
SELECT count(DISTINCT pid) FROM pg_stat_activity
WHERE application_name = 'posx-beat' AND usename = current_user AND datname = current_database()
"""


def _beat(cursor: Any) -> Finding:
    check = database_checks.beat(cursor)
    if not check.ok:
        return found("beat.absent", check.reason)
    cursor.execute(_BEATS)
    (beats,) = cursor.fetchone()
    others = f", {beats - 1} stand by" if beats > 1 else ""
    return fine("beat", f"one leads, and sends on time{others}")


def _schedule(_cursor: Any) -> Finding:
    entries = {entry.name: entry for entry in PeriodicTask.objects.select_related("interval", "crontab")}
    wrong = [
        f"{name} {said}"
        for name, wanted in settings.CELERY_BEAT_SCHEDULE.items()
        if (said := _difference(entries.get(name), wanted))
    ]
    # Celery's own entry is added by its scheduler, and names no task of ours.
    wrong += [
        f"{name} was added by hand"
        for name, entry in entries.items()
        if entry.enabled and name not in settings.CELERY_BEAT_SCHEDULE and entry.task.startswith("apps.")
    ]
    if wrong:
        return found(
            "schedule.changed", "; ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if wrong[3:] else "")
        )
    return fine("schedule", f"{len(settings.CELERY_BEAT_SCHEDULE)} entries as this build says")


def _difference(entry: PeriodicTask | None, wanted: dict[str, Any]) -> str:
    if entry is None:
        return "is missing"
    if not entry.enabled:
        return "is disabled"
    if entry.task != wanted["task"] or entry.schedule != maybe_schedule(wanted["schedule"]):
        return "was changed"
    return ""


def _short(version: str) -> str:
    return version[:12] or "unknown"


PROCESS_QUESTIONS: tuple[Callable[[Any], Finding], ...] = (_worker, _beat, _schedule)
