"""``manage.py verify_ledger`` over 1,000,000 releases of books that are in order.

Half of all rows are one site's, so that no question gets by on its being asked of small sites only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing

import psycopg2

from devstack.environment import BACKEND

SITES = 20
RELEASES = 1_000_000
RELEASES_A_SCHEDULE = 40
PAID, UNLOCKED = 10, 20  # of each schedule's releases, by number; the rest is locked

# One buyer, order, allocation, schedule and paid payout for each schedule; triggers are left out while filling.
_FILL = """
SET session_replication_role = replica;
INSERT INTO sites_site (id, code, name, is_active, registration_open, currencies, approval_rule, created_at)
SELECT gen_random_uuid(), 'BENCH' || n, 'bench', true, true, '{{USD}}', 'two_people', now()
FROM generate_series(1, {sites}) n;
CREATE TEMP TABLE place AS
SELECT id AS site_id, gen_random_uuid() AS asset_id, gen_random_uuid() AS tier_id, gen_random_uuid() AS policy_id,
       gen_random_uuid() AS batch_id, row_number() OVER (ORDER BY id) - 1 AS k FROM sites_site;
CREATE TEMP TABLE sale AS
SELECT n, p.*, gen_random_uuid() AS order_id, gen_random_uuid() AS buyer_id, gen_random_uuid() AS allocation_id,
       gen_random_uuid() AS schedule_id, gen_random_uuid() AS payout_id, '0x' || lpad(to_hex(n), 64, '0') AS tx_hash
FROM generate_series(1, {schedules}) n JOIN place p ON p.k = CASE WHEN n % 2 = 0 THEN 0 ELSE (n / 2) % {sites} END;
INSERT INTO tiers_tier
  (id, site_id, asset_id, policy_id, name, price_minor, currency, tokens_per_unit_base_units, supply_units,
   reserved_units, sold_units, opens_at, is_active, created_at)
SELECT tier_id, site_id, asset_id, policy_id, 'bench', 1000, 'USD', {part} * {parts}, {schedules}, 0,
       (SELECT count(*) FROM sale s WHERE s.site_id = p.site_id), now(), true, now() FROM place p;
INSERT INTO tiers_buyerunits (id, site_id, tier_id, buyer_id, reserved_units, sold_units)
SELECT gen_random_uuid(), site_id, tier_id, buyer_id, 0, 1 FROM sale;
INSERT INTO orders_order
  (id, site_id, buyer_id, tier_id, wallet_id, policy_id, allocation_id, quantity_units, price_minor, amount_minor,
   currency, tokens_base_units, status, payment_intent_id, refunded_minor, lost_minor, units_taken_back, problem_code,
   expires_at, check_attempts, created_at, paid_at)
SELECT order_id, site_id, buyer_id, tier_id, gen_random_uuid(), policy_id, allocation_id, 1, 1000, 1000, 'USD',
       {part} * {parts}, 'paid', 'pi_' || n, 0, 0, false, '', now(), 1, now(), now() FROM sale;
INSERT INTO vesting_allocation
  (id, site_id, asset_id, beneficiary_id, amount_base_units, source_kind, source_id, created_at)
SELECT allocation_id, site_id, asset_id, buyer_id, {part} * {parts}, 'order', order_id, now() FROM sale;
INSERT INTO vesting_vestingschedule
  (id, site_id, allocation_id, policy_id, start_at, total_base_units, created_at, tge_basis_points, cliff_count,
   cliff_unit, parts, period_count, period_unit)
SELECT schedule_id, site_id, allocation_id, policy_id, now(), {part} * {parts}, now(), 0, 0, 'day', {parts}, 1, 'day'
FROM sale;
INSERT INTO payouts_payoutbatch
  (id, site_id, asset_id, status, rule, plan_sha256, total_base_units, payout_count, requested_by_id, decided_by_id,
   decided_at, reason, created_at)
SELECT batch_id, site_id, asset_id, 'approved', 'two_people', repeat('0', 64), count(*) * {part} * {paid}, count(*),
       gen_random_uuid(), gen_random_uuid(), now(), '', now() FROM sale GROUP BY batch_id, site_id, asset_id;
INSERT INTO payouts_payout
  (id, site_id, batch_id, asset_id, to_address, amount_base_units, status, hold_code, tx_hash, created_at, settled_at)
SELECT payout_id, site_id, batch_id, asset_id, '0x' || repeat('0', 40), {part} * {paid}, 'paid', '', tx_hash, now(),
       now() FROM sale;
INSERT INTO payouts_payoutattempt
  (id, site_id, payout_id, number, external_id, custody_provider, status, sends, provider_transfer_id, raw_status,
   sub_status, tx_hash, error_code, created_at)
SELECT gen_random_uuid(), site_id, payout_id, 1, 'posx-' || payout_id, 'fireblocks', 'succeeded', 1, 't' || n,
       'COMPLETED', '', tx_hash, '', now() FROM sale;
INSERT INTO vesting_release
  (id, site_id, schedule_id, allocation_id, number, unlock_at, amount_base_units, status, tx_hash, payout_id,
   frozen_from, unlocked_at, released_at)
SELECT gen_random_uuid(), site_id, schedule_id, allocation_id, number,
       now() + make_interval(days => number - {unlocked}), {part},
       CASE WHEN number <= {paid} THEN 'released' WHEN number <= {unlocked} THEN 'unlocked' ELSE 'locked' END,
       CASE WHEN number <= {paid} THEN tx_hash ELSE '' END, CASE WHEN number <= {paid} THEN payout_id END, '',
       CASE WHEN number <= {unlocked} THEN now() END, CASE WHEN number <= {paid} THEN now() END
FROM sale CROSS JOIN generate_series(1, {parts}) number;
"""


def fill(superuser_url: str) -> None:
    """Sound books in a freshly migrated database."""
    with closing(psycopg2.connect(superuser_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(
            _FILL.format(
                sites=SITES,
                schedules=RELEASES // RELEASES_A_SCHEDULE,
                parts=RELEASES_A_SCHEDULE,
                paid=PAID,
                unlocked=UNLOCKED,
                part=f"{10**18}::numeric",
            )
        )
        cursor.execute("VACUUM (ANALYZE)")


def verify(superuser_url: str) -> tuple[float, str]:
    """Seconds that the command took as the app login, from its start to its end, and what it said."""
    environment = {
        **os.environ,
        "DATABASE_URL": superuser_url,
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
    }
    started_s = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "manage.py", "verify_ledger"],
        cwd=BACKEND,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.perf_counter() - started_s, done.stdout.strip()
