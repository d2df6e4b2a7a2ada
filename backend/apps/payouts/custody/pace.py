"""How many calls a minute a provider gets, counted in one row that every process shares.

The row is a leaky bucket (GCRA) by the database's clock: a quarter of the minute's calls may come at once, the rest
is given back evenly, and no 60 s ever hold more than the cap. Redis may be flushed; this row may not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from django.conf import settings
from django.db import connection

from apps.payouts.custody.base import CustodyUnknown

# A provider that refuses without saying for how long. Source: Fireblocks' "Working with Rate Limits": by the minute.
PAUSE_S = 60
# A list, a look and a send: what one turn of a site calls (apps/payouts/sweep.py).
AT_ONCE_LEAST = 3

# One statement, so that nobody can count between our look and our write; clock_timestamp(), since now() is from
# before the wait for the row's lock. It commits at once: no lock is held when the call is made.
_TAKE = """
INSERT INTO payouts_providerpace AS p (provider, free_at)
VALUES (%(provider)s, clock_timestamp() + %(each)s)
ON CONFLICT (provider) DO UPDATE SET free_at = greatest(p.free_at, clock_timestamp()) + %(each)s
WHERE p.free_at <= clock_timestamp() + %(tolerance)s
  AND (p.paused_until IS NULL OR p.paused_until <= clock_timestamp())
RETURNING provider
"""
# Seconds until `calls` more can be made: the pause, or what has to drain first.
_WAIT = """
SELECT extract(epoch FROM greatest(
    coalesce(paused_until, '-infinity') - clock_timestamp(),
    free_at - clock_timestamp() - %(tolerance)s + %(more)s, interval '0'))
FROM payouts_providerpace WHERE provider = %(provider)s
"""
_PAUSE = """
INSERT INTO payouts_providerpace AS p (provider, free_at, paused_until)
VALUES (%(provider)s, clock_timestamp(), clock_timestamp() + %(pause)s)
ON CONFLICT (provider) DO UPDATE SET paused_until = greatest(p.paused_until, clock_timestamp() + %(pause)s)
"""


class CustodyPaced(CustodyUnknown):
    """Not called: the minute's calls are used up, or the provider asked for a pause. `retry_after_s` is when."""


class Pace(Protocol):
    """Asked before each call of a provider."""

    def take(self) -> None:
        """Count one call. Raises CustodyPaced when none may be made."""
        ...

    def pause(self, seconds: int | None) -> None:
        """The provider refused for its limits: nobody calls it for so long, a minute when it did not say."""
        ...


class Unpaced:
    """For a client outside of the system, which no other process shares."""

    def take(self) -> None:
        """Always."""

    def pause(self, seconds: int | None) -> None:
        """Never."""


@dataclass(frozen=True, slots=True)
class SharedPace:
    """The pace of CUSTODY_CALLS_A_MINUTE, shared by all processes. Refuses inside no transaction: its caller does."""

    provider: str

    def take(self) -> None:
        """See Pace.take."""
        with connection.cursor() as cursor:
            cursor.execute(_TAKE, self._values())
            if cursor.fetchone() is not None:
                return
        raise CustodyPaced("custody_paced", retry_after_s=math.ceil(self.wait_s()))

    def pause(self, seconds: int | None) -> None:
        """See Pace.pause. A shorter pause never shortens a longer one."""
        pause = timedelta(seconds=PAUSE_S if seconds is None else seconds)
        with connection.cursor() as cursor:
            cursor.execute(_PAUSE, self._values() | {"pause": pause})

    def wait_s(self, calls: int = 1) -> float:
        """Seconds until so many calls can be made at once; 0 when they can be now. Counts nothing."""
        with connection.cursor() as cursor:
            cursor.execute(_WAIT, self._values(calls - 1))
            row = cursor.fetchone()
        return float(row[0]) if row else 0.0

    def _values(self, more: int = 0) -> dict[str, Any]:
        cap = settings.CUSTODY_CALLS_A_MINUTE
        burst = max(AT_ONCE_LEAST, cap // 4)
        each = timedelta(minutes=1) / max(1, cap - burst)
        return {
            "provider": self.provider,
            "each": each,
            "tolerance": each * (burst - 1),
            "more": each * more,
        }
