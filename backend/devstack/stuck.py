"""``make stuck``: payouts that were sent and never heard of again, and what `manage.py reconcile_stuck` makes of them.

A throw-away PostgreSQL and the Fireblocks sandbox, over HTTP. All but a hundredth and one are one site's. Of each
hundred 96 have arrived; one came with another amount, one failed, one is unknown there, one is still on its way.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from devstack.environment import BACKEND
from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.postgres import PostgresServer
from devstack.postgres_place import remove_data
from devstack.screen import Progress

SWEPT_EVERY_S = (
    5.0  # as beat rings for payouts; between runs that ended because the minute's calls were used up
)
PLANTED_AT_ONCE = 500
_FILL = """
SET session_replication_role = replica;
CREATE TEMP TABLE place AS SELECT k, gen_random_uuid() AS site_id, gen_random_uuid() AS asset_id,
       gen_random_uuid() AS batch_id FROM generate_series(0, 2) k;
INSERT INTO sites_site (id, code, name, is_active, registration_open, currencies, approval_rule, created_at)
SELECT site_id, 'STUCK' || k, 'stuck', true, true, '{{USD}}', 'two_people', now() FROM place;
INSERT INTO sites_asset (id, site_id, code, name, decimals, chain_id, contract_address, custody_asset_id,
       custody_vault_id, auto_approve_below_base_units, created_at)
SELECT asset_id, site_id, 'POSX', 'stuck', 18, 1, '', 'POSX_TEST', k::text, 0, now() FROM place;
CREATE TEMP TABLE line AS
SELECT n, p.*, gen_random_uuid() AS payout_id, gen_random_uuid() AS attempt_id, gen_random_uuid() AS allocation_id,
       gen_random_uuid() AS schedule_id, now() - interval '2 hours' + n * interval '250 ms' AS sent_at,
       '0x' || lpad(to_hex(n), 40, '0') AS address
FROM generate_series(1, {count}) n
JOIN place p ON p.k = CASE WHEN n = {count} THEN 2 WHEN n % 100 = 50 THEN 1 ELSE 0 END;
INSERT INTO payouts_payoutbatch
  (id, site_id, asset_id, status, rule, plan_sha256, total_base_units, payout_count, requested_by_id, decided_by_id,
   decided_at, reason, created_at)
SELECT batch_id, site_id, asset_id, 'approved', 'two_people', repeat('0', 64), count(*) * {token}, count(*),
       gen_random_uuid(), gen_random_uuid(), now(), '', now() FROM line GROUP BY batch_id, site_id, asset_id;
INSERT INTO payouts_payout
  (id, site_id, batch_id, asset_id, to_address, amount_base_units, status, next_attempt_at, hold_code, tx_hash,
   created_at)
SELECT payout_id, site_id, batch_id, asset_id, address, {token}, 'submitted', sent_at, '', '', sent_at FROM line;
INSERT INTO payouts_payoutattempt
  (id, site_id, payout_id, number, external_id, custody_provider, status, sends, last_sent_at, provider_transfer_id,
   raw_status, sub_status, tx_hash, error_code, created_at)
SELECT attempt_id, site_id, payout_id, 1,
       'posx-' || replace(site_id::text, '-', '') || '-' || replace(attempt_id::text, '-', ''), 'fireblocks', 'open',
       1, sent_at, '', '', '', '', '', sent_at FROM line;
INSERT INTO vesting_allocation
  (id, site_id, asset_id, beneficiary_id, amount_base_units, source_kind, source_id, created_at)
SELECT allocation_id, site_id, asset_id, gen_random_uuid(), {token}, 'team', gen_random_uuid(), sent_at FROM line;
INSERT INTO vesting_vestingschedule
  (id, site_id, allocation_id, policy_id, start_at, total_base_units, created_at, tge_basis_points, cliff_count,
   cliff_unit, parts, period_count, period_unit)
SELECT schedule_id, site_id, allocation_id, gen_random_uuid(), sent_at, {token}, sent_at, 0, 0, 'day', 1, 1, 'day'
FROM line;
INSERT INTO vesting_release
  (id, site_id, schedule_id, allocation_id, number, unlock_at, amount_base_units, status, tx_hash, payout_id,
   frozen_from, unlocked_at)
SELECT gen_random_uuid(), site_id, schedule_id, allocation_id, 1, sent_at, {token}, 'processing', '', payout_id, '',
       sent_at FROM line;
"""
_SENT = """
SELECT l.n, a.external_id, l.k::text, l.address, (extract(epoch FROM l.sent_at) * 1000)::bigint
FROM line l JOIN payouts_payoutattempt a ON a.id = l.attempt_id ORDER BY l.n
"""
_BECAME = """
SELECT s.code, count(*), round(extract(epoch FROM max(p.settled_at) - to_timestamp(%s)), 1)::float
FROM payouts_payout p JOIN sites_site s ON s.id = p.site_id GROUP BY s.code ORDER BY s.code
"""


def main() -> None:
    """Print what it took; the exit code is 1 when the books do not hold afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=int(os.environ.get("COUNT") or 10_000))
    parser.add_argument("--without-list", action="store_true", help="the provider's list is out of order")
    options = parser.parse_args()
    count: int = options.count
    progress = Progress(sys.stdout, steps=4)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with tempfile.TemporaryDirectory(prefix="posx-stuck-") as home:
        server = PostgresServer(Path(home) / "postgres", durable=False)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        # Nothing listens to its events: these payouts are those that no event came for.
        sandbox = FireblocksSandbox(Path(home) / "fireblocks.sqlite3", 0, str(api_key := uuid4()), public, "")
        try:
            with progress.step("PostgreSQL, migrations, sandbox"):
                server.start()
                url = server.ensure_database("posx_stuck")
                sandbox.start()
                environment = {
                    **os.environ,
                    "DATABASE_URL": url,
                    "DJANGO_SETTINGS_MODULE": "config.settings.local",
                    "FIREBLOCKS_API_KEY": str(api_key),
                    "FIREBLOCKS_API_BASE": sandbox.base_url,
                    "FIREBLOCKS_PRIVATE_KEY": key.private_bytes(
                        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
                    ).decode(),
                }
                manage(environment, "migrate", "--noinput", "--verbosity=0")
            with progress.step(f"{count:,} stuck payouts"):
                plant(sandbox.base_url, fill(url, count))
                if options.without_list:
                    fault = {"operation": "transactions.list", "fault": "error_500_before", "times": 10**6}
                    requests.post(f"{sandbox.base_url}/_sandbox/faults", json=fault, timeout=5)
            with progress.step("reconcile_stuck"):
                started_at = time.time()
                runs, rounds, outcomes = reconcile(environment)
            spent_s = time.time() - started_at
            with progress.step("verify_ledger"):
                said = manage(environment, "verify_ledger").splitlines()[-1]
            with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
                cursor.execute(_BECAME, [started_at])
                became = cursor.fetchall()
        finally:
            sandbox.stop()
            server.stop()
            remove_data(Path(home) / "postgres")
    asked = Counter(operation for _at_s, operation in sandbox.calls)
    sys.stdout.write(
        f"\n{count:,} stuck payouts in {spent_s:.1f} s: {runs} runs of the command, {rounds} rounds\n"
        f"outcomes: {json.dumps(outcomes, sort_keys=True)}\n"
        f"calls: {json.dumps(asked, sort_keys=True)}, the most in any 60 s: {most_a_minute(sandbox)}\n"
    )
    for code, payouts, last_s in became:
        sys.stdout.write(f"site {code}: {payouts} payouts, the last settled after {last_s} s\n")
    sys.stdout.write(said + "\n")


def fill(superuser_url: str, count: int) -> list[dict[str, Any]]:
    """The payouts in a freshly migrated database; what the provider knows of them."""
    with closing(psycopg2.connect(superuser_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(_FILL.format(count=count, token=f"{10**18}::numeric"))
        cursor.execute(_SENT)
        sent = cursor.fetchall()
        cursor.execute("VACUUM (ANALYZE)")
    return [_told(*row) for row in sent if row[0] % 100 != 3]


def _told(n: int, external_id: str, vault: str, address: str, created_ms: int) -> dict[str, Any]:
    told = {"externalTxId": external_id, "assetId": "POSX_TEST", "vault": vault, "address": address}
    differs: dict[int, dict[str, str]] = {
        1: {"amount": "2"},
        2: {"status": "FAILED", "txHash": ""},
        4: {"status": "BROADCASTING"},
    }
    return {**told, "amount": "1", "createdAt": created_ms, **differs.get(n % 100, {})}


def plant(base_url: str, told: Sequence[dict[str, Any]]) -> None:
    """Put transactions into the sandbox."""
    for start in range(0, len(told), PLANTED_AT_ONCE):
        body = {"transactions": told[start : start + PLANTED_AT_ONCE]}
        requests.post(f"{base_url}/_sandbox/transactions", json=body, timeout=30).raise_for_status()


def reconcile(environment: dict[str, str]) -> tuple[int, int, Counter[str]]:
    """Run the command until nothing is due: runs, rounds, payouts by outcome."""
    runs, rounds, outcomes = 0, 0, Counter[str]()
    while True:
        # Log lines come before it.
        told = json.loads(manage(environment, "reconcile_stuck", "--json").splitlines()[-1])
        runs, rounds = runs + 1, rounds + told["rounds"]
        outcomes.update(told["outcomes"])
        if not told["due"]:
            return runs, rounds, outcomes
        time.sleep(SWEPT_EVERY_S)


def manage(environment: dict[str, str], *words: str) -> str:
    """One command of the product; what it printed."""
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, cwd=BACKEND, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def most_a_minute(sandbox: FireblocksSandbox) -> int:
    """The most API calls that any 60 s held."""
    times = [at_s for at_s, _operation in sandbox.calls]
    most, first = 0, 0
    for last, at_s in enumerate(times):
        while times[first] <= at_s - 60:
            first += 1
        most = max(most, last - first + 1)
    return most


if __name__ == "__main__":
    main()
