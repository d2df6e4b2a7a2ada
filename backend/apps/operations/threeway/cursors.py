"""How far each side was looked through: a step is claimed by a lease, and moves the cursor from where it took it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection

from apps.operations.models import CheckCursor

LEASE_S = 60  # longer than a task may run
IDLE_S = 300  # caught up: the next span of time has to pass first
FAILED_S = 60

_CLAIM = """
UPDATE operations_checkcursor SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE source = %(source)s AND (next_at <= clock_timestamp() OR %(now)s)
  AND (lease_until IS NULL OR lease_until < clock_timestamp())
RETURNING position
"""
_BEGIN = """
INSERT INTO operations_checkcursor (source, position, next_at, error_code)
VALUES (%(source)s, %(start)s, clock_timestamp(), '') ON CONFLICT (source) DO NOTHING
"""
_MOVE = """
UPDATE operations_checkcursor
SET position = %(end)s, moved_at = clock_timestamp(), lease_until = NULL, error_code = '',
    next_at = clock_timestamp() + make_interval(secs => %(wait_s)s)
WHERE source = %(source)s AND position = %(start)s
"""
_FAIL = """
UPDATE operations_checkcursor
SET lease_until = NULL, error_code = %(code)s, next_at = clock_timestamp() + make_interval(secs => %(wait_s)s)
WHERE source = %(source)s
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A cursor that is ours until its lease runs out."""

    source: str
    position: int


def cursor_claim(source: str, *, start: Callable[[], int], now: bool = False) -> Claimed | None:
    """ENTRY: take the cursor when its next step is due (or ``now``); None when it is not, or somebody has it.

    ``start`` may ask the other side; it is called for a cursor that does not exist yet.
    """
    if not CheckCursor.objects.filter(source=source).exists():
        position = start()
        with connection.cursor() as cursor:
            cursor.execute(_BEGIN, {"source": source, "start": position})
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"source": source, "lease_s": LEASE_S, "now": now})
        row = cursor.fetchone()
    return Claimed(source, row[0]) if row else None


def cursor_move(claimed: Claimed, end: int, *, more: bool) -> None:
    """ENTRY: everything up to ``end`` was looked at. Nothing happens when another worker moved it meanwhile."""
    wait_s = 0 if more else IDLE_S
    with connection.cursor() as cursor:
        cursor.execute(
            _MOVE,
            {"source": claimed.source, "start": claimed.position, "end": end, "wait_s": wait_s},
        )


def cursor_fail(source: str, code: str) -> None:
    """ENTRY: the other side could not be asked; the same step is due again a little later."""
    with connection.cursor() as cursor:
        cursor.execute(_FAIL, {"source": source, "code": code[:64], "wait_s": FAILED_S})


def cursor_position(source: str) -> int | None:
    """ENTRY: up to where the side was looked through, None before the first step."""
    return CheckCursor.objects.filter(source=source).values_list("position", flat=True).first()
