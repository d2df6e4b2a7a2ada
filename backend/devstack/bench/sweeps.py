"""What the sweepers' questions cost at 1,000,000 rows, against the same questions at 1,000 rows.

Beat asks them every few seconds, for the most part in vain: their cost must not grow with the table. A ratio near 1
says that it does not. Statements are those of the app login under row security; what they change is rolled back.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2

from devstack.bench.timing import Comparison, compare

SITES = 20
SMALL, LARGE = 1_000, 1_000_000
DUE = 20

# Every second row of each site waits for a later look, more than any busy hour leaves; the others are done. Triggers
# are left out.
_FILL = """
SET session_replication_role = replica;
INSERT INTO sites_site (id, code, name, is_active, registration_open, currencies, approval_rule, created_at)
SELECT gen_random_uuid(), 'BENCH' || n, 'bench', true, true, '{{USD}}', 'two_people', now()
FROM generate_series(1, {sites}) n;
CREATE TEMP TABLE place AS SELECT id AS site_id, row_number() OVER (ORDER BY id) - 1 AS k FROM sites_site;
CREATE TEMP TABLE line AS
SELECT n, p.site_id, (n / {sites}) % 2 = 0 AS waits FROM generate_series(1, {rows}) n JOIN place p ON p.k = n % {sites};
INSERT INTO orders_order
  (id, site_id, buyer_id, tier_id, wallet_id, policy_id, allocation_id, quantity_units, price_minor, amount_minor,
   currency, tokens_base_units, status, payment_intent_id, refunded_minor, problem_code, expires_at, next_check_at,
   check_attempts, created_at, paid_at)
SELECT gen_random_uuid(), site_id, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
       gen_random_uuid(), 1, 1000, 1000, 'USD', 1, 'paid', 'pi_' || n, 0, '', now(),
       CASE WHEN waits THEN now() + make_interval(hours => 24, secs => n) END, 1, now(), now()
FROM line;
INSERT INTO payouts_payout
  (id, site_id, batch_id, asset_id, to_address, amount_base_units, status, next_attempt_at, hold_code, tx_hash,
   created_at)
SELECT gen_random_uuid(), site_id, gen_random_uuid(), gen_random_uuid(), '0x' || repeat('0', 40), 1,
       CASE WHEN waits THEN 'submitted' ELSE 'paid' END,
       CASE WHEN waits THEN now() + make_interval(hours => 24, secs => n) END, '', '0x' || n, now()
FROM line;
INSERT INTO vesting_release
  (id, site_id, schedule_id, allocation_id, number, unlock_at, amount_base_units, status, tx_hash)
SELECT gen_random_uuid(), site_id, gen_random_uuid(), gen_random_uuid(), 1,
       now() + make_interval(hours => CASE WHEN waits THEN -24 ELSE 24 END, secs => n % 3600), 1,
       CASE WHEN waits THEN 'unlocked' ELSE 'locked' END, ''
FROM line;
"""
_TABLES = ("orders_order", "payouts_payout", "vesting_release")
# Twenty rows of one site, the same site in both databases by its place among the sites.
_MAKE_DUE = """
SET session_replication_role = replica;
UPDATE {table} SET {due} = now() - interval '1 minute' WHERE id IN (
  SELECT id FROM {table} WHERE site_id = '{site}' AND {due} IS NOT NULL {which} LIMIT {count})
"""
_CLAIM = """WITH due AS MATERIALIZED (
  SELECT id FROM {table} WHERE site_id = %(site)s AND {due} IS NOT NULL AND {due} <= now() {which}
  ORDER BY {due} LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE {table} SET {due} = now() + interval '1 minute' WHERE site_id = %(site)s AND id = (SELECT id FROM due)"""
_UNLOCK = """WITH due AS MATERIALIZED (
  SELECT id FROM vesting_release WHERE site_id = %(site)s AND status = 'locked' AND unlock_at <= now()
  ORDER BY unlock_at LIMIT 20 FOR UPDATE SKIP LOCKED)
UPDATE vesting_release r SET status = 'unlocked', unlocked_at = now()
FROM due WHERE r.site_id = %(site)s AND r.id = due.id AND r.status = 'locked'"""
_ORDERS = ("orders_order", "next_check_at", "AND problem_code = ''")
_PAYOUTS = ("payouts_payout", "next_attempt_at", "AND status = 'submitted'")
_RELEASES = ("vesting_release", "unlock_at", "AND status = 'locked'")
_QUEUES = ("orders", "payouts", "unlock")


def fill(superuser_url: str, rows: int) -> None:
    """Orders, payouts and releases in a freshly migrated database, none of them due."""
    with closing(psycopg2.connect(superuser_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(_FILL.format(sites=SITES, rows=rows))
        for table in _TABLES:
            cursor.execute(f"VACUUM (ANALYZE) {table}")


def compare_sweeps(small_url: str, large_url: str, rounds: int) -> list[Comparison]:
    """Idle sweeps of every queue, then with twenty due rows: who has due rows, and taking all twenty."""
    sessions = [_Session(small_url), _Session(large_url)]
    reference = "about 1: does not grow"
    done = [
        _compare(f"idle: due_sites_{queue}", _sites_of(queue), sessions, rounds * 10, reference)
        for queue in _QUEUES
    ]
    for url, session in zip((small_url, large_url), sessions, strict=True):
        _make_due(url, session.site)
    done += [
        _compare(f"20 due: due_sites_{queue}", _sites_of(queue), sessions, rounds * 10, reference)
        for queue in _QUEUES
    ]
    orders = [_CLAIM.format(table=_ORDERS[0], due=_ORDERS[1], which=_ORDERS[2])] * DUE
    payouts = [_CLAIM.format(table=_PAYOUTS[0], due=_PAYOUTS[1], which=_PAYOUTS[2])] * DUE
    done.append(_compare("take 20 due orders, one by one", orders, sessions, rounds, reference))
    done.append(_compare("take 20 due payouts, one by one", payouts, sessions, rounds, reference))
    done.append(_compare("unlock 20 due releases", [_UNLOCK], sessions, rounds, reference))
    return done


def _compare(
    name: str, statements: list[str], sessions: list[_Session], rounds: int, reference: str
) -> Comparison:
    small, large = sessions
    return compare(
        name, lambda: small.run(statements), lambda: large.run(statements), rounds=rounds, reference=reference
    )


def _sites_of(queue: str) -> list[str]:
    return [f"SELECT site_id, oldest_due_at FROM public.due_sites_{queue}(50)"]  # noqa: S608 - from _QUEUES


def _make_due(superuser_url: str, site: str) -> None:
    with closing(psycopg2.connect(superuser_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for table, due, which in (_ORDERS, _PAYOUTS, _RELEASES):
            cursor.execute(_MAKE_DUE.format(table=table, due=due, which=which, site=site, count=DUE))
            if cursor.rowcount != DUE:
                raise RuntimeError(f"{table}: {cursor.rowcount} rows were made due, not {DUE}")


class _Session:
    """One connection as the app login in the scope of one site; everything is rolled back."""

    def __init__(self, superuser_url: str) -> None:
        self._connection = psycopg2.connect(superuser_url)
        self._cursor = self._connection.cursor()
        self._cursor.execute("SELECT id::text FROM sites_site ORDER BY id LIMIT 1")
        [(self.site,)] = self._cursor.fetchall()
        # The superuser steps down: for these statements that is the role's own view.
        self._cursor.execute("SET ROLE posx_app")
        self._connection.commit()

    def run(self, statements: list[str]) -> None:
        values: dict[str, Any] = {"site": self.site}
        self._cursor.execute(
            "SELECT set_config('app.current_site_id', %(site)s, true), set_config('app.actor_kind', 'bench', true)",
            values,
        )
        for statement in statements:
            self._cursor.execute(statement, values)
            if self._cursor.description is not None:
                self._cursor.fetchall()
        self._connection.rollback()
