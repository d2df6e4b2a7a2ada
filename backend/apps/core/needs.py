"""What a process needs before it can work: PostgreSQL as the app login, Redis, every migration applied."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import redis
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.core.waiting import Need

REDIS_TIMEOUT_S = 2.0
_PENDING = """
SELECT w.app, w.name FROM unnest(%(apps)s::text[], %(names)s::text[]) AS w (app, name)
WHERE NOT EXISTS (SELECT FROM public.django_migrations m WHERE m.app = w.app AND m.name = w.name)
ORDER BY 1, 2
"""


@cache
def migrations_on_disk() -> tuple[tuple[str, str], ...]:
    """(app label, name) of every migration of this build, by the names of their files.

    Not Django's loader: it imports each of them, which a web process has no other reason to keep in memory.
    """
    found = []
    for config in apps.get_app_configs():
        if (Path(config.path) / "migrations").is_dir():
            package = import_module(f"{config.name}.migrations")
            found += [(config.label, each.name) for each in pkgutil.iter_modules(package.__path__)]
    return tuple(sorted(found))


def pending_migrations(cursor: Any) -> list[str]:
    """Migrations of this build that the database does not have, as app.name, by one query."""
    known = migrations_on_disk()
    cursor.execute(_PENDING, {"apps": [app for app, _ in known], "names": [name for _, name in known]})
    return [f"{app}.{name}" for app, name in cursor.fetchall()]


def database_missing() -> str:
    """Why PostgreSQL cannot be used as this process' login, or nothing."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as exc:
        connection.close()
        return reason_of(exc)
    return ""


def migrations_missing() -> str:
    """Why the tables are not those of this build, or nothing."""
    try:
        with connection.cursor() as cursor:
            pending = pending_migrations(cursor)
    except (DatabaseError, InterfaceError) as exc:
        connection.close()
        return reason_of(exc)
    return f"{len(pending)} are not applied, the first is {pending[0]}" if pending else ""


def redis_missing() -> str:
    """Why broker or cache do not answer, or nothing."""
    return broker_missing() or _no_answer(settings.REDIS_URL)


def broker_missing() -> str:
    """Why Celery's broker does not answer, or nothing."""
    return _no_answer(settings.CELERY_BROKER_URL)


def redis_client(url: str, *, timeout_s: float) -> redis.Redis:
    """A client that tries once, and waits `timeout_s` for each answer at most."""
    return redis.Redis.from_url(
        url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0)
    )


def reason_of(exc: Exception) -> str:
    """One line: whether the database is away or not ready, and the driver's first line. No statement, no row."""
    away = isinstance(exc, OperationalError | InterfaceError)
    return f"{'Database connection failed' if away else 'the database is not ready'}: {_first_line(exc)}"


def _first_line(exc: Exception) -> str:
    lines = str(exc).strip().splitlines() or [type(exc).__name__]
    return lines[0]


def _no_answer(redis_url: str) -> str:
    try:
        with redis_client(redis_url, timeout_s=REDIS_TIMEOUT_S) as client:
            client.ping()
    except redis.RedisError as exc:
        return f"Cannot connect to Redis: {_first_line(exc)}"
    return ""


DATABASE = Need("the database", database_missing)
REDIS = Need("Redis", redis_missing)
MIGRATIONS = Need("migrations", migrations_missing)
BROKER = Need("the broker", broker_missing)
