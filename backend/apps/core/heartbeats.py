"""A worker's sign of life: one statement in database time, and its end on a clean stop."""

from django.db import connection

# Rows of workers that were killed; far beyond what readiness looks at.
_FORGET_AFTER_HOURS = 24
_BEAT = """
INSERT INTO core_worker_heartbeat (name, version, started_at, seen_at)
VALUES (%(name)s, %(version)s, clock_timestamp(), clock_timestamp())
ON CONFLICT (name) DO UPDATE SET version = EXCLUDED.version, seen_at = EXCLUDED.seen_at
"""
_END = """
DELETE FROM core_worker_heartbeat
WHERE name = %(name)s OR seen_at < clock_timestamp() - make_interval(hours => %(hours)s)
"""


def heartbeat(*, name: str, version: str) -> None:
    """Say that this worker takes tasks now."""
    with connection.cursor() as cursor:
        cursor.execute(_BEAT, {"name": name, "version": version})


def heartbeat_end(*, name: str) -> None:
    """Say that it takes none any more; also forgets those that were killed a day ago."""
    with connection.cursor() as cursor:
        cursor.execute(_END, {"name": name, "hours": _FORGET_AFTER_HOURS})
