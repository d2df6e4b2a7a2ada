"""``make bench``: a throw-away database server, filled once, and the comparisons over it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from devstack.bench import ledger, sweeps, vesting
from devstack.bench.row_security import ROWS, SITES, compare_row_security, fill
from devstack.bench.timing import table
from devstack.environment import BACKEND
from devstack.postgres import PostgresServer
from devstack.postgres_place import remove_data
from devstack.screen import Progress


def main() -> None:
    """Print the ratios; nothing is asserted, these machines are noisy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    progress = Progress(sys.stdout, steps=14)
    with tempfile.TemporaryDirectory(prefix="posx-bench-") as home:
        server = PostgresServer(Path(home) / "postgres", durable=False)
        try:
            with progress.step("PostgreSQL"):
                server.start()
                url = server.ensure_database("posx_bench")
            with progress.step("migrations"):
                _migrate(url)
            with progress.step(f"{ROWS:,} releases of {SITES} sites"):
                fill(url)
            with progress.step("with and without row security"):
                rows = compare_row_security(url, rounds)
            small, large = (server.ensure_database(f"posx_sweeps_{size}") for size in ("small", "large"))
            with progress.step("migrations, twice"):
                _migrate(small)
                _migrate(large)
            with progress.step(f"{sweeps.SMALL:,} orders, payouts and releases"):
                sweeps.fill(small, sweeps.SMALL)
            with progress.step(f"{sweeps.LARGE:,} orders, payouts and releases"):
                sweeps.fill(large, sweeps.LARGE)
            with progress.step("sweepers' questions at both sizes"):
                swept = sweeps.compare_sweeps(small, large, rounds)
            books = server.ensure_database("posx_ledger")
            _migrate(books)
            with progress.step(f"sound books of {ledger.RELEASES:,} releases"):
                ledger.fill(books)
            with progress.step("verify_ledger"):
                spent_s, said = ledger.verify(books)
            few, many = (server.ensure_database(f"posx_vesting_{size}") for size in ("small", "large"))
            with progress.step(f"{vesting.SMALL:,} and {vesting.LARGE:,} releases with their history"):
                for url, size in ((few, vesting.SMALL), (many, vesting.LARGE)):
                    _migrate(url)
                    vesting.fill(url, size)
            with progress.step("a statement and a page of releases at both sizes"):
                read = vesting.read(few, many, rounds * 2)
            with progress.step(f"{vesting.SCHEDULES:,} schedules of {vesting.PARTS} releases"):
                made = vesting.make(many)
            with progress.step("unlocking a fifth of them"):
                unlocked = vesting.unlock(many)
        finally:
            server.stop()
            remove_data(Path(home) / "postgres")
    title = f"\nRow security, {ROWS:,} releases of {SITES} sites, medians in one run"
    sys.stdout.write(table(title, rows, baseline="without", subject="with") + "\n")
    title = f"\nSweepers, {sweeps.LARGE:,} rows a table against {sweeps.SMALL:,}, medians in one run"
    sys.stdout.write(table(title, swept, baseline=f"{sweeps.SMALL:,}", subject=f"{sweeps.LARGE:,}") + "\n")
    sys.stdout.write(
        f"\nverify_ledger, {ledger.RELEASES:,} releases, half of them one site's: {spent_s:.1f} s\n{said}\n"
    )
    title = f"\nReading, {vesting.LARGE:,} releases against {vesting.SMALL:,}, medians in one run"
    sys.stdout.write(table(title, read, baseline=f"{vesting.SMALL:,}", subject=f"{vesting.LARGE:,}") + "\n")
    sys.stdout.write(f"\nIn masses, against a superuser's bare tables, once each\n{made}\n{unlocked}\n")


def _migrate(url: str) -> None:
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings.local"}
    command = [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity=0"]
    subprocess.run(command, cwd=BACKEND, env=environment, check=True)


if __name__ == "__main__":
    main()
