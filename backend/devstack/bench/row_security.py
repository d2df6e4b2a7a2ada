"""The same statements with and without row security, on 1,000,000 releases of 20 sites.

"Without" is a login that bypasses row security and is otherwise granted the same: same tables, indexes, triggers,
transaction and set_config. Only the policies differ.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2

from devstack.bench.timing import Comparison, compare

SITES = 20
ROWS = 1_000_000
RELEASES_A_SCHEDULE = 50
BYPASS_LOGIN = "posx_bench"

# Triggers are left out while filling: a million rows of history are not what is measured here.
_FILL = """
SET session_replication_role = replica;
INSERT INTO sites_site (id, code, name, is_active, registration_open, currencies, approval_rule, created_at)
SELECT gen_random_uuid(), 'BENCH' || n, 'bench', true, true, '{{USD}}', 'two_people', now()
FROM generate_series(1, {sites}) n;
CREATE TEMP TABLE bench_schedule AS
SELECT gen_random_uuid() AS id, gen_random_uuid() AS allocation_id, s.id AS site_id, n
FROM sites_site s CROSS JOIN generate_series(1, {schedules}) n;
INSERT INTO vesting_release
  (id, site_id, schedule_id, allocation_id, number, unlock_at, amount_base_units, status, tx_hash, payout_id)
SELECT gen_random_uuid(), b.site_id, b.id, b.allocation_id, k,
       now() + make_interval(days => k - 25, secs => b.n), 1000000, 'locked', '', NULL
FROM bench_schedule b CROSS JOIN generate_series(0, {releases} - 1) k ORDER BY b.site_id, b.n, k;
"""


def fill(superuser_url: str) -> None:
    """Rows for the comparison in a freshly migrated database, and the login without row security."""
    schedules = ROWS // SITES // RELEASES_A_SCHEDULE
    with psycopg2.connect(superuser_url) as connection, connection.cursor() as cursor:
        cursor.execute(_FILL.format(sites=SITES, schedules=schedules, releases=RELEASES_A_SCHEDULE))
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [BYPASS_LOGIN])
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE ROLE {BYPASS_LOGIN} NOLOGIN BYPASSRLS")
        cursor.execute(
            f"GRANT USAGE ON SCHEMA public TO {BYPASS_LOGIN};"
            f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {BYPASS_LOGIN}"
        )
    with closing(psycopg2.connect(superuser_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        # Otherwise the first reader of each page pays for marking its rows as committed.
        cursor.execute("VACUUM (ANALYZE) vesting_release")


def compare_row_security(superuser_url: str, rounds: int) -> list[Comparison]:
    """Keyset page, point read, count, scan and bulk unlock: without row security against with it."""
    without, guarded = _Session(superuser_url, BYPASS_LOGIN), _Session(superuser_url, "posx_app")
    without.execute("SELECT id FROM sites_site ORDER BY id")
    sites = [row[0] for row in without.rows]
    without.execute("SELECT site_id, id FROM vesting_release TABLESAMPLE SYSTEM (0.2)")
    points = without.rows
    statements: list[tuple[str, str, int, str, Callable[[random.Random], dict[str, Any]]]] = [
        ("keyset list of 50", _PAGE, rounds * 10, "at most 1.12", lambda r: {"site": r.choice(sites)}),
        (
            "point read",
            _POINT,
            rounds * 20,
            "at most 1.12",
            lambda r: dict(zip(("site", "id"), r.choice(points), strict=True)),
        ),
        ("count of one site", _COUNT, rounds, "scans 1.03", lambda r: {"site": r.choice(sites)}),
        ("sum over one site (scan)", _SCAN, rounds, "scans 1.03", lambda r: {"site": r.choice(sites)}),
        ("unlock 5,000 due, audited", _UNLOCK, rounds, "", lambda r: {"site": r.choice(sites)}),
    ]
    done = []
    for name, statement, times, reference, parameters in statements:
        # The same sites and rows, in the same order, for both.
        chance = {session: random.Random(7) for session in (without, guarded)}  # noqa: S311 - no secret
        ways = [
            lambda s=session, c=chance[session], q=statement, p=parameters: s.in_scope(q, p(c))
            for session in (without, guarded)
        ]
        done.append(compare(name, ways[0], ways[1], rounds=times, reference=reference))
    return done


_PAGE = """SELECT id, unlock_at, amount_base_units, status FROM vesting_release
WHERE site_id = %(site)s AND status = 'locked' AND (unlock_at, id) > (now(), '00000000-0000-0000-0000-000000000000')
ORDER BY unlock_at, id LIMIT 50"""
_POINT = "SELECT * FROM vesting_release WHERE site_id = %(site)s AND id = %(id)s"
_COUNT = "SELECT count(*) FROM vesting_release WHERE site_id = %(site)s AND status = 'locked'"
_SCAN = "SELECT status, sum(amount_base_units) FROM vesting_release WHERE site_id = %(site)s GROUP BY status"
_UNLOCK = """WITH due AS MATERIALIZED (
  SELECT id FROM vesting_release WHERE site_id = %(site)s AND status = 'locked' AND unlock_at <= now()
  ORDER BY unlock_at LIMIT 5000 FOR UPDATE SKIP LOCKED)
UPDATE vesting_release r SET status = 'unlocked', unlocked_at = now()
FROM due WHERE r.site_id = %(site)s AND r.id = due.id AND r.status = 'locked'"""


class _Session:
    """One connection as one role; every statement runs in a scope's transaction, and is rolled back."""

    def __init__(self, superuser_url: str, role: str) -> None:
        self._connection = psycopg2.connect(superuser_url)
        self._cursor = self._connection.cursor()
        # The superuser steps down: for these statements that is the role's own view.
        self._cursor.execute(f"SET ROLE {role}")
        self._connection.commit()
        self.rows: list[tuple[Any, ...]] = []

    def execute(self, statement: str) -> None:
        self._cursor.execute(statement)
        self.rows = self._cursor.fetchall()
        self._connection.rollback()

    def in_scope(self, statement: str, parameters: dict[str, Any]) -> None:
        self._cursor.execute(
            "SELECT set_config('app.current_site_id', %s, true), set_config('app.actor_kind', 'bench', true)",
            [str(parameters["site"])],
        )
        self._cursor.execute(statement, parameters)
        if self._cursor.description is not None:
            self._cursor.fetchall()
        self._connection.rollback()
