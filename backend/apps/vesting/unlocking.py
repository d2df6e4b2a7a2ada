"""Unlocking what is due: one statement a batch, by the database's clock."""

from __future__ import annotations

from django.db import connection

from apps.sites.scope import site_scope

# SKIP LOCKED: a second sweep beside this one takes the next rows instead of waiting for these.
_UNLOCK = """
WITH due AS MATERIALIZED (
    SELECT id FROM vesting_release
    WHERE site_id = %(site)s AND status = 'locked' AND unlock_at <= now()
    ORDER BY unlock_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE vesting_release r SET status = 'unlocked', unlocked_at = now()
FROM due WHERE r.site_id = %(site)s AND r.id = due.id AND r.status = 'locked'
"""


def releases_unlock_due(limit: int) -> int:
    """ENTRY: unlock at most ``limit`` due releases of the bound site, the longest due first; how many."""
    with site_scope() as site_id, connection.cursor() as cursor:
        cursor.execute(_UNLOCK, {"site": site_id, "limit": limit})
        return int(cursor.rowcount)
