"""Tries to enter the admin, counted in PostgreSQL: a lock-out must hold while Redis is away.

A try is counted as failed before the password is looked at, and given back when it was right. So tries that run at
once cannot be more than the limit, and no row stays locked while a password is hashed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext

FIRST_LOCK_S = 60
LONGEST_LOCK_S = 3600
SWEPT_A_TRY = 20

# The conflict's UPDATE locks the row before it is read, and an old count is forgotten on the way.
_LOCK = """
INSERT INTO public.accounts_logintry AS t (key, failures, locked_until, forget_at)
VALUES (%(key)s, 0, NULL, clock_timestamp() + interval '1 day')
ON CONFLICT (key) DO UPDATE SET failures = CASE WHEN t.forget_at < clock_timestamp() THEN 0 ELSE t.failures END
RETURNING failures, greatest(0, ceil(extract(epoch FROM locked_until - clock_timestamp())))::integer
"""
_COUNT = """
UPDATE public.accounts_logintry SET failures = %(failures)s, forget_at = clock_timestamp() + interval '1 day',
  locked_until = CASE WHEN %(lock_s)s > 0 THEN clock_timestamp() + make_interval(secs => %(lock_s)s) END
WHERE key = %(key)s
"""
_FORGIVE = "UPDATE public.accounts_logintry SET failures = 0, locked_until = NULL WHERE key = %(key)s"
_GIVE_BACK = """
UPDATE public.accounts_logintry SET failures = greatest(0, failures - 1),
  locked_until = CASE WHEN %(locked)s THEN NULL ELSE locked_until END
WHERE key = %(key)s
"""
# MATERIALIZED: a sub-select with a limit may be run again for each row and remove more.
_SWEEP = """
WITH old AS MATERIALIZED (SELECT key FROM public.accounts_logintry WHERE forget_at < clock_timestamp()
                          ORDER BY forget_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
DELETE FROM public.accounts_logintry t USING old WHERE t.key = old.key
"""


class TriesLocked(Exception):
    """Too many failed tries; ``wait_s`` seconds are left."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"locked for {wait_s} s")
        self.wait_s = wait_s

    @property
    def sentence(self) -> str:
        """For the person, who may have done nothing wrong."""
        minutes = -(-self.wait_s // 60)
        return ngettext(
            "Too many failed tries. Try again in %(count)d minute.",
            "Too many failed tries. Try again in %(count)d minutes.",
            minutes,
        ) % {"count": minutes}


@dataclass(frozen=True, slots=True)
class Counter:
    """What is counted. ``shared``: others count there too (an address), so that one success clears only itself."""

    kind: str
    value: str
    limit: int
    shared: bool = False

    @property
    def key(self) -> str:
        """HMAC-SHA256 under SECRET_KEY, hex: says nothing about the value to whoever reads the table."""
        salt = f"posx.tries.{self.kind}"
        return salted_hmac(salt, self.value, secret=settings.SECRET_KEY, algorithm="sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Try:
    """One try that was counted; ``locking`` are the counters that it locked."""

    counters: tuple[Counter, ...]
    locking: frozenset[str]


def try_count(*, counters: Sequence[Counter]) -> Try:
    """Count a try in each counter; entry, committed when it returns. Raises TriesLocked, and counts nothing then."""
    ordered = sorted(counters, key=lambda counter: counter.key)  # one order for all, or two tries deadlock
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        failures: dict[str, int] = {}
        for counter in ordered:
            cursor.execute(_LOCK, {"key": counter.key})
            failures[counter.key], wait_s = cursor.fetchone()
            if wait_s:
                raise TriesLocked(wait_s)
        locking = set()
        for counter in ordered:
            count = failures[counter.key] + 1
            lock_s = _lock_s(count, counter.limit)
            cursor.execute(_COUNT, {"key": counter.key, "failures": count, "lock_s": lock_s})
            if lock_s:
                locking.add(counter.key)
        cursor.execute(_SWEEP, {"limit": SWEPT_A_TRY})
    return Try(tuple(ordered), frozenset(locking))


def try_succeeded(*, counted: Try) -> None:
    """Take the count back: whoever got in did not fail."""
    with transaction.atomic(), connection.cursor() as cursor:
        for counter in counted.counters:
            locked = counter.key in counted.locking
            cursor.execute(_GIVE_BACK if counter.shared else _FORGIVE, {"key": counter.key, "locked": locked})


def tries_forget(*, counters: Sequence[Counter]) -> int:
    """End lock-outs by hand; returns how many counters had failures."""
    with transaction.atomic(), connection.cursor() as cursor:
        keys = sorted(counter.key for counter in counters)
        cursor.execute("DELETE FROM public.accounts_logintry WHERE key = ANY (%s) AND failures > 0", [keys])
        return int(cursor.rowcount)


def _lock_s(failures: int, limit: int) -> int:
    """0 below the limit, then doubling from FIRST_LOCK_S to LONGEST_LOCK_S."""
    over = failures - limit
    return 0 if over < 0 else min(LONGEST_LOCK_S, FIRST_LOCK_S * 2 ** min(over, 16))
