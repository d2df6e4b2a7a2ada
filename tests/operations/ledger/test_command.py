"""``manage.py verify_ledger`` as somebody in the backend shell runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from apps.operations.ledger.verify import INVARIANTS
from tests.databases import rules_off
from tests.factories import make_site
from tests.operations.ledger.books import Books
from tests.servers import BACKEND, REPOSITORY

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox", "bells_lost")


def verify(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "verify_ledger", *words]
    return subprocess.run(
        command, cwd=BACKEND, env={**os.environ}, capture_output=True, text=True, timeout=60
    )


def test_sound_books_say_so_and_end_with_zero() -> None:
    Books()
    make_site("EMPTY")
    answer = verify()
    assert answer.returncode == 0, answer.stderr
    assert f"{len(INVARIANTS)} invariants hold in 2 sites" in answer.stdout
    assert answer.stderr == ""  # no bar into a pipe


def test_a_violation_is_printed_with_what_to_do_and_fails(admin_connection: Any) -> None:
    books = Books()
    with rules_off(admin_connection) as cursor:
        cursor.execute("UPDATE tiers_tier SET sold_units = sold_units + 1")
    answer = verify()
    assert answer.returncode == 1
    assert f"NA  tier_units_are_its_orders  tiers_tier {books.tier.id}" in answer.stdout
    assert "The tier's orders show which step did not count." in answer.stdout


def test_one_site_and_json(admin_connection: Any) -> None:
    Books()
    asia = Books("ASIA")
    with rules_off(admin_connection) as cursor:
        cursor.execute("UPDATE tiers_tier SET sold_units = sold_units + 1")
    [row] = json.loads(verify("--site", "ASIA", "--json").stdout)["violations"]
    assert (row["site"], row["row_id"]) == ("ASIA", str(asia.tier.id))


def test_an_unknown_site_is_named_with_those_there_are() -> None:
    make_site("NA")
    answer = verify("--site", "XX")
    assert answer.returncode == 1 and "There is no site XX. Known: NA." in answer.stderr


def test_the_page_of_invariants_is_the_code() -> None:
    page = (REPOSITORY / "docs" / "ledger.md").read_text()
    for invariant in INVARIANTS:
        refused = f"`{invariant.refused_by}`" if invariant.refused_by else "verified only"
        assert f"| `{invariant.name}` | {invariant.means} | {refused} | {invariant.remedy} |" in page
