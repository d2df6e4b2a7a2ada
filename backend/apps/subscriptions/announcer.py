"""The trigger that announces: set-based, and in the transaction of the change: neither can be without the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import models

from apps.audit.trail import SQL_UUID7
from apps.core.amounts import BaseUnitsField
from apps.core.rules import SqlRule, column, literal, table


class Announcer(SqlRule):
    """Writes one OutgoingEvent for each row that is born or reaches a listed state, and one Delivery for each active
    subscription to it. Without such a subscription it writes nothing: one probe a statement is all that it costs.
    """

    parameters = ("noun", "fields", "born", "states")

    def __init__(
        self,
        *,
        name: str,
        noun: str,
        fields: Sequence[str],
        born: str = "",
        states: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name=name)
        self.noun, self.fields, self.born, self.states = noun, list(fields), born, dict(states or {})

    def up(self, model: type[models.Model]) -> str:
        made = [self._function(model, "insert", "new_rows n", *self._birth())]
        if self.states:
            both = "old_rows o JOIN new_rows n ON n.id = o.id AND o.status IS DISTINCT FROM n.status"
            made.append(self._function(model, "update", both, *self._step()))
        return "\n".join(made)

    def down(self, model: type[models.Model]) -> str:
        operations = ["insert", "update"] if self.states else ["insert"]
        return "\n".join(
            f'DROP TRIGGER "{self.name}_{each}" ON {table(model)};\nDROP FUNCTION public."{self.name}_{each}"();'
            for each in operations
        )

    def _birth(self) -> tuple[str, list[str]]:
        return (literal(f"{self.noun}.{self.born}"), [self.born]) if self.born else self._step()

    def _step(self) -> tuple[str, list[str]]:
        """SQL for the event type of the row n (NULL: none), and the words that it may say."""
        cases = " ".join(
            f"WHEN {literal(status)} THEN {literal(f'{self.noun}.{word}')}"
            for status, word in self.states.items()
        )
        return f"CASE n.status {cases} END", list(self.states.values())

    def _function(
        self, model: type[models.Model], operation: str, source: str, event_type: str, words: list[str]
    ) -> str:
        name = f"{self.name}_{operation}"
        tables = (
            "NEW TABLE AS new_rows"
            if operation == "insert"
            else "OLD TABLE AS old_rows NEW TABLE AS new_rows"
        )
        types = ", ".join(literal(f"{self.noun}.{word}") for word in dict.fromkeys(words))
        before = "NULL::text" if operation == "insert" or not self.states else "o.status::text"
        return (
            f'CREATE OR REPLACE FUNCTION public."{name}"() RETURNS trigger '  # noqa: S608
            "LANGUAGE plpgsql AS $announce$\nBEGIN\n"
            "IF NOT EXISTS (SELECT FROM public.subscriptions_subscription s\n"
            f"    WHERE s.is_active AND s.event_types && ARRAY[{types}]::varchar[]) THEN RETURN NULL; END IF;\n"
            "WITH happened AS (\n"
            f"  SELECT n.id AS object_id, n.site_id, {event_type} AS event_type, {self._data(model, before)} AS data\n"
            f"  FROM {source}),\n"
            "announced AS (\n"
            "  INSERT INTO public.subscriptions_outgoingevent (id, site_id, event_type, object_id, data, occurred_at)\n"
            f"  SELECT {SQL_UUID7}, h.site_id, h.event_type, h.object_id, h.data, clock_timestamp() FROM happened h\n"
            "  WHERE EXISTS (SELECT FROM public.subscriptions_subscription s\n"
            "    WHERE s.site_id = h.site_id AND s.is_active AND h.event_type = ANY (s.event_types))\n"
            "  RETURNING id, site_id, event_type)\n"
            "INSERT INTO public.subscriptions_delivery\n"
            "  (id, site_id, subscription_id, event_id, status, attempts, claims, asked_at, next_attempt_at)\n"
            f"SELECT {SQL_UUID7}, a.site_id, s.id, a.id, 'pending', 0, 0, clock_timestamp(), clock_timestamp()\n"
            "FROM announced a JOIN public.subscriptions_subscription s\n"
            "  ON s.site_id = a.site_id AND s.is_active AND a.event_type = ANY (s.event_types);\n"
            "RETURN NULL;\nEND $announce$;\n"
            f'CREATE TRIGGER "{name}" AFTER {operation.upper()} ON {table(model)} REFERENCING {tables} '
            f'FOR EACH STATEMENT EXECUTE FUNCTION public."{name}"();'
        )

    def _data(self, model: type[models.Model], before: str) -> str:
        pairs = ["'id', n.id"]
        for field in self.fields:
            name = column(model, field)
            # Amounts of 78 digits pass through JavaScript's numbers in many a receiver.
            cast = "::text" if isinstance(model._meta.get_field(field), BaseUnitsField) else ""
            pairs.append(f"{literal(name.strip(chr(34)))}, n.{name}{cast}")
        if self.states:
            pairs.append(f"'previous_status', {before}")
        return f"jsonb_build_object({', '.join(pairs)})"
