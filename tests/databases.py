"""What a test leaves in its database is removed over a connection of its own, as the superuser.

The app login may not TRUNCATE, and its rows belong to sites that only a scope can see.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import sql

# Filled by migrations or by Django after them. Every other table is emptied.
KEPT_TABLES = frozenset(
    {"django_migrations", "django_content_type", "auth_permission", "core_beat_lease", "pgtrigger_cleanup"}
)


def connect_as_superuser(url: str) -> Any:
    """A psycopg2 connection in autocommit, outside Django."""
    connection = psycopg2.connect(url, application_name="posx-tests")
    connection.autocommit = True
    return connection


class Cleaner:
    """Empties the tables of one database; asks first which have rows, as most tests write few."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        with connection.cursor() as cursor:
            # Triggers refuse changes of history and states, also to a superuser; not on this connection.
            cursor.execute("SET session_replication_role = replica; SET lock_timeout = '10s'")
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            self._tables = sorted({name for (name,) in cursor.fetchall()} - KEPT_TABLES)

    def clean(self) -> list[str]:
        """Delete all rows; returns the names of the tables that had some."""
        with self._connection.cursor() as cursor:
            written = self._written(cursor)
            for table in written:
                cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        return written

    def _written(self, cursor: Any) -> list[str]:
        if not self._tables:
            return []
        cursor.execute(sql.SQL(" UNION ALL ").join(_probes(self._tables)))
        return [name for (name,) in cursor.fetchall()]


def _probes(tables: Iterable[str]) -> list[sql.Composed]:
    probe = sql.SQL("SELECT {} WHERE EXISTS (SELECT 1 FROM {})")
    return [probe.format(sql.Literal(name), sql.Identifier(name)) for name in tables]


@contextmanager
def rules_off(connection: Any) -> Iterator[Any]:
    """A cursor of the superuser's for which no trigger fires and no foreign key is asked: to plant what cannot be."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield cursor
        finally:
            cursor.execute("SET session_replication_role = origin")
