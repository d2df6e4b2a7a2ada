"""Which sites have due work, asked without being inside any of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from psycopg2 import sql

_QUEUE = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True)
class DueSite:
    site_id: UUID
    oldest_due_at: datetime


def due_sites(queue: str, limit: int) -> list[DueSite]:
    """At most ``limit`` sites with due rows in ``queue`` (a DueQueue's name), the longest waiting first."""
    if not _QUEUE.fullmatch(queue):
        raise ValueError(f"not a queue: {queue!r}")
    statement = sql.SQL("SELECT site_id, oldest_due_at FROM public.{}(%s)").format(
        sql.Identifier(f"due_sites_{queue}")
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [limit])
        return [DueSite(site_id, oldest) for site_id, oldest in cursor.fetchall()]
