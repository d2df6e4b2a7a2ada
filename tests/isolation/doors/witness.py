"""What a site's rows are, seen by the superuser: to find a value of theirs in an answer, and any change of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from psycopg2 import sql

SHORTEST_MARK = 6  # shorter texts ("USD", "1.0") stand in every answer


class Witness:
    """Looks past row security, over a connection of its own."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._tables: sql.Composed | None = None
        self.seen: dict[str, str] = {}

    def look(self, site_id: UUID) -> dict[str, str]:
        """The content now, kept as ``seen`` until the next look: half of all looks would see what the last one saw."""
        self.seen = self.content(site_id)
        return self.seen

    def content(self, site_id: UUID) -> dict[str, str]:
        """A hash for each table of all that belongs to the site."""
        with self._connection.cursor() as cursor:
            self._tables = self._tables or _each_table(cursor, _HASH)
            cursor.execute(self._tables, {"site": str(site_id)})
            return dict(cursor.fetchall())

    def marks(self, site_id: UUID, *, but_not_of: UUID) -> frozenset[str]:
        """Every text that stands in rows of the one site and in none of the other."""
        return frozenset(self._texts(site_id)) - frozenset(self._texts(but_not_of))

    def tables(self, site_id: UUID) -> dict[str, int]:
        """How many rows each table of sites has of this one."""
        with self._connection.cursor() as cursor:
            cursor.execute(_each_table(cursor, _COUNT), {"site": str(site_id)})
            return dict(cursor.fetchall())

    def _texts(self, site_id: UUID) -> Iterator[str]:
        with self._connection.cursor() as cursor:
            cursor.execute(_each_table(cursor, _ROWS), {"site": str(site_id)})
            for _table, rows in cursor.fetchall():
                yield from _long_texts(rows)


_HASH = "SELECT {name}::text, coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t WHERE {own}"
_ROWS = "SELECT {name}::text, coalesce(json_agg(t), '[]'::json) FROM {table} t WHERE {own}"
_COUNT = "SELECT {name}::text, count(*) FROM {table} t WHERE {own}"
_OF_SITE = "t.site_id = %(site)s"
_SITELESS = {
    "sites_site": "t.id = %(site)s",
    "accounts_identity": "t.id IN (SELECT identity_id FROM accounts_membership WHERE site_id = %(site)s)",
}


def _each_table(cursor: Any, question: str) -> sql.Composed:
    cursor.execute(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'site_id'"
        " ORDER BY table_name"
    )
    own = {name: _OF_SITE for (name,) in cursor.fetchall()} | _SITELESS
    asked = [
        sql.SQL(question).format(
            name=sql.Literal(table), table=sql.Identifier("public", table), own=sql.SQL(condition)
        )
        for table, condition in own.items()
    ]
    return sql.SQL(" UNION ALL ").join(sql.SQL("({})").format(each) for each in asked)


def _long_texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            if len(value) >= SHORTEST_MARK:
                yield value
        case list():
            for item in value:
                yield from _long_texts(item)
        case dict():
            for item in value.values():
                yield from _long_texts(item)
