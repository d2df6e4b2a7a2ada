"""The trigger that writes history: statement-level, so that raw SQL leaves rows too and bulk work stays cheap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from django.db import models

from apps.core.rules import SqlRule, column, literal, refuse, table

# A version 7 UUID made in SQL (RFC 9562): PostgreSQL has its own only from 18 on.
SQL_UUID7 = (
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING "
    "substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), "
    "52, 1), 53, 1), 'hex')::uuid"
)


class AuditTrail(SqlRule):
    """Writes one ``audit_auditevent`` for each row inserted, or changed in one of ``fields``, or deleted.

    ``before`` and ``after`` hold those fields. Refused when nobody is named as the actor.
    """

    parameters = ("fields",)
    site_column: ClassVar[str] = "site_id"
    operations: ClassVar[tuple[str, ...]] = ("insert", "update", "delete")

    def __init__(self, *, name: str, fields: Sequence[str]) -> None:
        super().__init__(name=name)
        self.fields = list(fields)

    def up(self, model: type[models.Model]) -> str:
        columns = [column(model, field) for field in self.fields]
        before, after = _object("o", columns), _object("n", columns)
        changed = f"({_row('o', columns)}) IS DISTINCT FROM ({_row('n', columns)})"
        both = f"old_rows o JOIN new_rows n ON n.id = o.id WHERE {changed}"
        made = {
            "insert": ("n", "NULL::jsonb", after, "new_rows n"),
            "update": ("n", before, after, both),
            "delete": ("o", before, "NULL::jsonb", "old_rows o"),
        }
        return "\n".join(self._function(model, name, *made[name]) for name in self.operations)

    def _function(
        self, model: type[models.Model], operation: str, row: str, before: str, after: str, source: str
    ) -> str:
        name = f"{self.name}_{operation}"
        tables = {
            "insert": "NEW TABLE AS new_rows",
            "update": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
            "delete": "OLD TABLE AS old_rows",
        }[operation]
        nobody = refuse(self.name, "'no actor is set: wrap the change in acting_as()'")
        return (
            f'CREATE OR REPLACE FUNCTION public."{name}"() RETURNS trigger LANGUAGE plpgsql AS $trail$\nBEGIN\n'
            f"IF coalesce(current_setting('app.actor_kind', true), '') = '' THEN\n"
            # A statement that changed no row needs no author.
            f"  IF EXISTS (SELECT FROM {source}) THEN {nobody} END IF;\n  RETURN NULL;\nEND IF;\n"
            "INSERT INTO public.audit_auditevent "
            "(id, site_id, at, actor_kind, actor_id, request_id, table_name, row_id, action, before, after)\n"
            f"SELECT {SQL_UUID7}, {row}.{self.site_column}, clock_timestamp(), current_setting('app.actor_kind'), "
            "coalesce(current_setting('app.actor_id', true), ''), "
            "coalesce(current_setting('app.request_id', true), ''), "
            f"{literal(model._meta.db_table)}, {row}.id, {literal(operation)}, {before}, {after}\n"
            f"FROM {source};\nRETURN NULL;\nEND $trail$;\n"
            f'CREATE TRIGGER "{name}" AFTER {operation.upper()} ON {table(model)} REFERENCING {tables} '
            f'FOR EACH STATEMENT EXECUTE FUNCTION public."{name}"();'
        )

    def down(self, model: type[models.Model]) -> str:
        return "\n".join(
            f'DROP TRIGGER "{self.name}_{operation}" ON {table(model)};\n'
            f'DROP FUNCTION public."{self.name}_{operation}"();'
            for operation in self.operations
        )


def _object(alias: str, columns: list[str]) -> str:
    # Amounts of 78 digits pass through JavaScript's numbers in many a reader: history keeps them as text.
    pairs = ", ".join(f"{literal(name.strip(chr(34)))}, {alias}.{name}::text" for name in columns)
    return f"jsonb_build_object({pairs})"


def _row(alias: str, columns: list[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in columns)
