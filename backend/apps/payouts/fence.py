"""The fence before sending: closed after a gap in the database's own life, opened when every transfer is known.

A restored backup does not know what was sent after it was made. It cannot know that it is one either; but the last
round that it remembers is then long ago, as after any longer stop. A few calls of the provider's
list tell the two apart.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models import F, Func, JSONField, Value
from django.db.models.functions import Now

from apps.payouts.fence_models import SendingFence

NAME = "payouts"
# Twelve times what lies between two rounds, and less than anybody needs to restore a backup.
ALIVE_WITHIN_S = 60
READ_EVERY_S = 30

# The first row of a new database is open: nothing was ever sent. Its own clock only, as everything that it judges.
_ALIVE = """
INSERT INTO payouts_sendingfence AS f (name, alive_at, lost_count, explained)
VALUES (%(name)s, clock_timestamp(), 0, '{}')
ON CONFLICT (name) DO UPDATE SET alive_at = clock_timestamp(),
    closed_from = CASE WHEN f.closed_from IS NULL AND f.alive_at < clock_timestamp() - make_interval(secs => %(within)s)
        THEN f.alive_at ELSE f.closed_from END
RETURNING closed_from, COALESCE(read_at < clock_timestamp() - make_interval(secs => %(every)s), true)
"""
_CLOSE = """
INSERT INTO payouts_sendingfence AS f (name, alive_at, closed_from, lost_count, explained)
VALUES (%(name)s, clock_timestamp(), COALESCE(%(since)s, clock_timestamp()), 0, '{}')
ON CONFLICT (name) DO UPDATE
SET closed_from = LEAST(f.closed_from, COALESCE(%(since)s, f.closed_from, f.alive_at)), read_at = NULL
RETURNING closed_from
"""


def fence_alive() -> tuple[datetime | None, bool]:
    """ENTRY: a round begins. From when transfers have to be read, None while the fence is open; and whether now."""
    with connection.cursor() as cursor:
        cursor.execute(_ALIVE, {"name": NAME, "within": ALIVE_WITHIN_S, "every": READ_EVERY_S})
        closed_from, is_due = cursor.fetchone()
    return closed_from, is_due


def fence_closed_from() -> datetime | None:
    """From when transfers have to be read; None while the fence is open."""
    rows = SendingFence.objects.filter(name=NAME).values_list("closed_from", flat=True)
    closed_from: datetime | None = rows.first()
    return closed_from


def fence_close(since: datetime | None = None) -> datetime:
    """ENTRY: nothing is sent until what left since then is known; without a time, since the last round.

    From when it is closed now: an earlier time that is set already stays.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, {"name": NAME, "since": since})
        closed_from: datetime = cursor.fetchone()[0]
    return closed_from


def fence_read(closed_from: datetime, lost_count: int) -> bool:
    """ENTRY: everything since then was read; whether the fence is open now. Not when somebody closed it anew."""
    rows = SendingFence.objects.filter(name=NAME, closed_from=closed_from)
    if lost_count:
        rows.update(read_at=Now(), lost_count=lost_count)
        return False
    return rows.update(closed_from=None, read_at=None, lost_count=0, explained={}) == 1


def fence_explained() -> dict[str, str]:
    """Transfers that a person lets stand, with the reason."""
    row = SendingFence.objects.filter(name=NAME).first()
    return dict(row.explained) if row else {}


def fence_explain(transfer_id: str, reason: str) -> None:
    """ENTRY: this transfer stands without a payout, for this reason; the next reading passes it over."""
    added = Func(
        F("explained"),
        Value({transfer_id: reason}, JSONField()),
        arg_joiner=" || ",
        template="%(expressions)s",
    )
    SendingFence.objects.filter(name=NAME).update(explained=added, read_at=None)
