"""Every rule that PostgreSQL keeps for our money has a test which goes around Python and is refused by that rule."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.architecture.violations import CONSTRAINTS, IMPLIED, SETUP, TRIGGERS
from tests.operations.ledger.books import Books
from tests.payouts.conftest import bells_lost

__all__ = ["bells_lost"]
pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox", "bells_lost")

TESTS = Path(__file__).resolve().parents[1]
ROOMS = "^(orders|payouts|vesting|webhooks|operations)_"
RULES = """
SELECT conname FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'u', 'x') AND conrelid::regclass::text ~ %(rooms)s
UNION SELECT i.indexrelid::regclass::text FROM pg_index i
WHERE i.indisunique AND NOT i.indisprimary AND i.indrelid::regclass::text ~ %(rooms)s
UNION SELECT p.proname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND t.tgrelid::regclass::text ~ %(rooms)s
"""
# Families, each made by one class and tried there for all of its members.
FAMILIES = {
    r"_audit_(insert|update|delete)$": "tests/audit",
    r"_announced_(insert|update)$": "refuses nothing: tests/subscriptions/test_announcing.py",
    r"_site_id_key$": "the target of composite foreign keys; (site, id) repeats a primary key",
    r"^(orders|payouts|vesting|webhooks|operations)_[a-z]+_\w+_check$": "Django's own: a PositiveIntegerField",
}


def rules(admin_connection: Any) -> set[str]:
    with admin_connection.cursor() as cursor:
        cursor.execute(RULES, {"rooms": ROOMS})
        found = {name for (name,) in cursor.fetchall()}
    return {name for name in found if not any(re.search(family, name) for family in FAMILIES)}


def named_elsewhere() -> set[str]:
    """Words of the tests that expect PostgreSQL to refuse something."""
    words: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text()
        if "IntegrityError" in text and path != Path(__file__):
            words |= set(re.findall(r"[a-z]+(?:_[a-z]+)+", text))
    return words


def test_every_rule_of_the_catalogue_is_broken_by_a_test(admin_connection: Any) -> None:
    broken_here = {*CONSTRAINTS, *TRIGGERS, *IMPLIED}
    known = rules(admin_connection)

    assert known - broken_here - named_elsewhere() == set()
    assert broken_here - known == set(), "these rules are gone"


@contextmanager
def session() -> Iterator[Any]:
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        yield cursor


def refused_by(cursor: Any, statement: str, *, rules_off: bool) -> str:
    """The rule that refuses the statement, "" when none does; nothing is left behind."""
    try:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("SET LOCAL app.actor_kind = 'command'")
        cursor.execute(SETUP)
        if not rules_off:
            cursor.execute("SET LOCAL session_replication_role = origin")
        cursor.execute(statement)
        assert cursor.rowcount > 0, f"no row to break: {statement}"
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except psycopg2.IntegrityError as error:
        return str(error.diag.constraint_name)
    finally:
        cursor.connection.rollback()
    return ""


def test_each_is_refused_by_its_rule() -> None:
    # Given rows of every kind
    Books()
    wanted = {
        **{name: name for name in (*CONSTRAINTS, *TRIGGERS)},
        **{n: by for n, (by, _) in IMPLIED.items()},
    }

    # When each rule is broken over a connection of the superuser's
    with session() as cursor:
        found = {name: refused_by(cursor, sql, rules_off=True) for name, sql in CONSTRAINTS.items()}
        found |= {name: refused_by(cursor, sql, rules_off=False) for name, sql in TRIGGERS.items()}
        found |= {name: refused_by(cursor, sql, rules_off=True) for name, (_, sql) in IMPLIED.items()}

    # Then that rule refuses it
    assert {name: by for name, by in found.items() if by != wanted[name]} == {}
