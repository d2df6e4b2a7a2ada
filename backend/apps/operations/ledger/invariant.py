"""One question to the rows of one site, whose right answer is: none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.sites.scope import require_scope


@dataclass(frozen=True, slots=True)
class Invariant:
    """``sql`` selects the rows that break it: id, what was expected, what was found (text). It names the site as
    ``%(site)s`` and is one statement, so that it sees one moment of a system that goes on working.

    ``means`` and ``remedy`` are for people (docs/ledger.md); ``refused_by`` names what in PostgreSQL refuses to
    commit such a row, empty when only this question finds it.
    """

    name: str
    table: str
    means: str
    remedy: str
    sql: str
    refused_by: str = ""


@dataclass(frozen=True, slots=True)
class Violation:
    """One row that breaks an invariant."""

    invariant: str
    site_id: UUID
    table: str
    row_id: UUID
    expected: str
    found: str


def violations_of(invariant: Invariant, *, limit: int) -> Iterator[Violation]:
    """STEP: at most ``limit`` violations in the site whose scope is open."""
    site_id = require_scope()
    names: dict[str, Any] = {"site": site_id, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({invariant.sql}) AS broken LIMIT %(limit)s", names)  # noqa: S608 - our own
        for row_id, expected, found in cursor.fetchall():
            yield Violation(invariant.name, site_id, invariant.table, row_id, str(expected), str(found))
