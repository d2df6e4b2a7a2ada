"""What the product's rules and history cost where rows come in masses, against the barest way to do the same.

The bare tables have the same columns and indexes, and no row security, trigger, foreign key or history; they are
written by a superuser. Both ways are committed, and each is done once: what is unlocked is not unlocked again.
"""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2

from devstack.bench.timing import Comparison
from devstack.environment import BACKEND

SITES = 20
RELEASES_A_SCHEDULE = 40
SMALL, LARGE = 10_000, 1_000_000
DUE = 8  # of each schedule's releases, by number: a fifth
SCHEDULES, PARTS, SCHEDULES_A_TRANSACTION = 10_000, 37, 500
UNLOCKED_AT_ONCE = 1_000  # apps.vesting.tasks.RELEASES_A_BATCH

# Triggers are left out while filling; of history there is what statements are made from.
_FILL = """
SET session_replication_role = replica;
INSERT INTO sites_site (id, code, name, is_active, registration_open, currencies, approval_rule, created_at)
SELECT gen_random_uuid(), 'BENCH' || n, 'bench', true, true, '{{USD}}', 'two_people', now()
FROM generate_series(1, {sites}) n;
INSERT INTO sites_asset
  (id, site_id, code, name, decimals, chain_id, contract_address, custody_asset_id, custody_vault_id, custody_provider,
   confirmations, auto_approve_below_base_units, created_at)
SELECT gen_random_uuid(), id, 'TOK', 'bench', 18, 1, '', 'TOK', '', 'fireblocks', 1, 0, now() FROM sites_site;
CREATE TEMP TABLE grant_made AS
SELECT gen_random_uuid() AS allocation_id, gen_random_uuid() AS schedule_id, gen_random_uuid() AS member_id, a.site_id,
       a.id AS asset_id, n
FROM (SELECT *, row_number() OVER (ORDER BY site_id) - 1 AS k FROM sites_asset) a
JOIN generate_series(1, {schedules}) n ON n % {sites} = a.k;
INSERT INTO vesting_allocation
  (id, site_id, asset_id, beneficiary_id, amount_base_units, source_kind, source_id, created_at)
SELECT allocation_id, site_id, asset_id, member_id, {parts} * 1000, 'order', allocation_id, now() - interval '400 days'
FROM grant_made;
INSERT INTO vesting_release
  (id, site_id, schedule_id, allocation_id, number, unlock_at, amount_base_units, status, tx_hash)
SELECT uuidv7(), site_id, schedule_id, allocation_id, number,
       now() + make_interval(days => 30 * (number - {due}), secs => -n), 1000, 'locked', ''
FROM grant_made CROSS JOIN generate_series(1, {parts}) number;
INSERT INTO audit_auditevent
  (id, site_id, at, actor_kind, actor_id, request_id, table_name, row_id, action, before, after)
SELECT uuidv7(), site_id, now() - interval '300 days', 'bench', '', '', 'vesting_release', id, 'insert', NULL,
       jsonb_build_object('status', status, 'payout_id', NULL, 'tx_hash', '')
FROM vesting_release;
"""
_BARE = "CREATE TABLE {bare} (LIKE vesting_release INCLUDING DEFAULTS INCLUDING INDEXES)"
_MAKE = """
WITH made AS (
  SELECT uuidv7() AS allocation_id, uuidv7() AS schedule_id FROM generate_series(1, %(schedules)s)),
allocation AS (
  INSERT INTO vesting_allocation
    (id, site_id, asset_id, beneficiary_id, amount_base_units, source_kind, source_id, created_at)
  SELECT allocation_id, %(site)s, %(asset)s, %(member)s, {parts} * 1000, 'bench', allocation_id, now() FROM made),
schedule AS (
  INSERT INTO vesting_vestingschedule
    (id, site_id, allocation_id, policy_id, start_at, total_base_units, created_at, tge_basis_points, cliff_count,
     cliff_unit, parts, period_count, period_unit)
  SELECT schedule_id, %(site)s, allocation_id, %(policy)s, now(), {parts} * 1000, now(), 0, 0, 'month', {parts}, 1,
         'month'
  FROM made)
INSERT INTO vesting_release
  (id, site_id, schedule_id, allocation_id, number, unlock_at, amount_base_units, status, tx_hash)
SELECT uuidv7(), %(site)s, schedule_id, allocation_id, n, now() + make_interval(days => 30 * n), 1000, 'locked', ''
FROM made CROSS JOIN generate_series(1, {parts}) n
"""
_MADE = """COPY (
  SELECT * FROM vesting_release
  WHERE allocation_id IN (SELECT id FROM vesting_allocation WHERE source_kind = 'bench')) TO STDOUT"""
_UNLOCK = """WITH due AS MATERIALIZED (
  SELECT id FROM vesting_release WHERE site_id = %(site)s AND status = 'locked' AND unlock_at <= now()
  ORDER BY unlock_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE vesting_release r SET status = 'unlocked', unlocked_at = now()
FROM due WHERE r.site_id = %(site)s AND r.id = due.id AND r.status = 'locked'"""
_UNLOCK_BARE = """UPDATE bare_unlock SET status = 'unlocked', unlocked_at = now()
WHERE status = 'locked' AND unlock_at <= now()"""


@dataclass(frozen=True)
class Once:
    """Two ways that were each gone once; ``transactions_s`` are the durations of ours, each as long as its locks."""

    name: str
    rows: int
    bare_s: float
    transactions_s: list[float]

    def __str__(self) -> str:
        ours_s, times_ms = sum(self.transactions_s), sorted(spent * 1000 for spent in self.transactions_s)
        return (
            f"{self.name}: {self.rows:,} rows, bare {self.bare_s:.2f} s, ours {ours_s:.2f} s, ratio"
            f" {ours_s / self.bare_s:.2f}; transactions of {statistics.median(times_ms):.0f} ms in the middle,"
            f" {times_ms[len(times_ms) * 99 // 100]:.0f} ms at 99 %, {times_ms[-1]:.0f} ms at most"
        )


def fill(superuser_url: str, releases: int) -> None:
    """Allocations with locked releases of ``SITES`` sites in a freshly migrated database, a fifth of them due."""
    with _superuser(superuser_url) as cursor:
        cursor.execute(
            _FILL.format(
                sites=SITES, schedules=releases // RELEASES_A_SCHEDULE, parts=RELEASES_A_SCHEDULE, due=DUE
            )
        )
        cursor.execute("VACUUM (ANALYZE)")


def unlock(superuser_url: str) -> Once:
    """All due releases, in the batches of the task and as the app login, against one bare UPDATE of the same rows."""
    with _superuser(superuser_url) as cursor:
        cursor.execute(_BARE.format(bare="bare_unlock"))
        cursor.execute("INSERT INTO bare_unlock SELECT * FROM vesting_release")
        cursor.execute("VACUUM (ANALYZE) bare_unlock")
        cursor.execute("SELECT id FROM sites_site")
        sites = [row[0] for row in cursor.fetchall()]
        cursor.execute("CHECKPOINT")
        started_s = time.perf_counter()
        cursor.execute(_UNLOCK_BARE)
        bare_s, rows = time.perf_counter() - started_s, cursor.rowcount
        cursor.execute("CHECKPOINT")
    spent_s, unlocked = [], 0
    with _app(superuser_url) as connection:
        for site in sites:
            count = UNLOCKED_AT_ONCE
            while count == UNLOCKED_AT_ONCE:
                values = {"site": site, "limit": UNLOCKED_AT_ONCE}
                spent, count = _in_scope(connection, site, _UNLOCK, values)
                spent_s.append(spent)
                unlocked += count
    if unlocked != rows:
        raise RuntimeError(f"{unlocked} rows were unlocked, not {rows}")
    return Once("unlock what is due, audited", rows, bare_s, spent_s)


def make(superuser_url: str) -> Once:
    """10,000 allocations, schedules and their 37 releases each, as the app login, against one COPY of the releases."""
    with _superuser(superuser_url) as cursor:
        values = _place(cursor)
    spent_s = []
    with _app(superuser_url) as connection:
        for _ in range(SCHEDULES // SCHEDULES_A_TRANSACTION):
            spent, _rows = _in_scope(connection, values["site"], _MAKE.format(parts=PARTS), values)
            spent_s.append(spent)
    with _superuser(superuser_url) as cursor:
        cursor.execute(_BARE.format(bare="bare_made"))
        rows = io.StringIO()
        cursor.copy_expert(_MADE, rows)
        rows.seek(0)
        cursor.execute("CHECKPOINT")
        started_s = time.perf_counter()
        cursor.copy_expert("COPY bare_made FROM STDIN", rows)
        bare_s = time.perf_counter() - started_s
        count = cursor.rowcount
    return Once("make schedules of 37 releases, audited", count, bare_s, spent_s)


def read(small_url: str, large_url: str, rounds: int) -> list[Comparison]:
    """A statement and a page of releases at both sizes, by the product's own code in processes of the app login."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for _ in range(3):  # in turn, so that a slow moment of the machine hits both
        for place, url in enumerate((small_url, large_url)):
            for line in _reading(url, rounds):
                name, _, spent_ms = line.partition("\t")
                found.setdefault(name, ([], []))[place].append(float(spent_ms))
    return [
        Comparison(name, statistics.median(small), statistics.median(large), "at most 1.2")
        for name, (small, large) in found.items()
    ]


def _reading(url: str, rounds: int) -> list[str]:
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings.local"}
    command = [sys.executable, "-m", "devstack.bench.reading", str(rounds)]
    done = subprocess.run(
        command, cwd=BACKEND, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.splitlines()


def _place(cursor: Any) -> dict[str, Any]:
    """A site with what an allocation of it refers to."""
    cursor.execute("SELECT site_id, id FROM sites_asset ORDER BY site_id LIMIT 1")
    [(site, asset)] = cursor.fetchall()
    cursor.execute("SELECT gen_random_uuid(), gen_random_uuid()")
    [(member, policy)] = cursor.fetchall()
    cursor.execute("SET session_replication_role = replica")
    cursor.execute(
        "INSERT INTO accounts_membership (id, site_id, identity_id, role, is_active, created_at)"
        " VALUES (%s, %s, gen_random_uuid(), 'buyer', true, now())",
        [member, site],
    )
    cursor.execute(
        "INSERT INTO vesting_vestingpolicy (id, site_id, name, version, is_active, created_at, tge_basis_points,"
        " cliff_count, cliff_unit, parts, period_count, period_unit)"
        " VALUES (%s, %s, 'bench', 1, true, now(), 0, 0, 'month', %s, 1, 'month')",
        [policy, site, PARTS],
    )
    return {
        "site": site,
        "asset": asset,
        "member": member,
        "policy": policy,
        "schedules": SCHEDULES_A_TRANSACTION,
    }


@contextmanager
def _superuser(url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        yield cursor


@contextmanager
def _app(url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        # The superuser steps down: for these statements that is the role's own view.
        cursor.execute("SET ROLE posx_app")
        connection.commit()
        yield connection


def _in_scope(connection: Any, site: str, statement: str, values: dict[str, Any]) -> tuple[float, int]:
    """(seconds until it was committed, rows)."""
    started_s = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('app.current_site_id', %s, true), set_config('app.actor_kind', 'bench', true)",
            [site],
        )
        cursor.execute(statement, values)
        rows = int(cursor.rowcount)
    connection.commit()
    return time.perf_counter() - started_s, rows
