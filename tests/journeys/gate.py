"""A gate in the test's own database: whoever wants to change rows of a table waits until the test opens it.

It holds a worker between two of its commits without a hook in the product.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LOCK = 7_306_777
_CLOSE = """
CREATE FUNCTION public.test_gate() RETURNS trigger LANGUAGE plpgsql AS
    $gate$ BEGIN PERFORM pg_advisory_xact_lock({lock}); RETURN NULL; END $gate$;
CREATE TRIGGER test_gate BEFORE UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION public.test_gate();
"""


class Gate:
    """Closed as long as this connection holds the advisory lock."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def somebody_waits(self) -> bool:
        """Whether a transaction stands before the gate."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted", [_LOCK]
            )
            return cursor.fetchone() is not None


@contextmanager
def updates_wait(connection: Any, table: str) -> Iterator[Gate]:
    """UPDATEs of `table` wait until the block ends. `connection` is the superuser's, in autocommit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        cursor.execute(_CLOSE.format(lock=_LOCK, table=table))
    try:
        yield Gate(connection)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
            cursor.execute("DROP FUNCTION public.test_gate() CASCADE")
