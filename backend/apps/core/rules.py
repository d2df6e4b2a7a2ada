"""Rules that PostgreSQL itself enforces, declared in ``Meta.constraints`` and carried by migrations.

django-pgtrigger would offer the same, but every trigger it makes can be switched off by the session it guards
(``SET pgtrigger.ignore``): see docs/decisions/0002-own-database-rules.md.

No statement here may hold a per cent sign: Django passes it through psycopg2's placeholder parser.
"""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


class SqlRule(models.BaseConstraint):
    """A named set of statements that a migration creates and removes together.

    Subclasses list their constructor arguments in ``parameters`` and give ``up`` and ``down``.
    """

    parameters: tuple[str, ...] = ()

    def up(self, model: type[models.Model]) -> str:
        raise NotImplementedError

    def down(self, model: type[models.Model]) -> str:
        raise NotImplementedError

    def constraint_sql(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> None:  # type: ignore[override]
        # A trigger or policy cannot stand inside CREATE TABLE; it follows in the same transaction.
        schema_editor.deferred_sql.append(self.create_sql(model, schema_editor))

    def create_sql(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> str:  # type: ignore[override]
        return self.up(model)

    def remove_sql(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> str:  # type: ignore[override]
        return self.down(model)

    def validate(self, model: Any, instance: Any, exclude: Any = None, using: str = DEFAULT_DB_ALIAS) -> None:
        """Nothing to ask beforehand: the database decides when the row is written."""

    def deconstruct(self) -> tuple[str, tuple[()], dict[str, Any]]:
        path, _args, kwargs = super().deconstruct()
        return path, (), {**kwargs, **{name: getattr(self, name) for name in self.parameters}}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SqlRule) and self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash(self.name)


def column(model: type[models.Model], field: str) -> str:
    """The quoted column of a field."""
    found = model._meta.get_field(field)
    if not isinstance(found, models.Field):
        raise TypeError(f"{model._meta.label}.{field} has no column of its own")
    return f'"{found.column}"'


def table(model: type[models.Model]) -> str:
    """The quoted, schema-qualified table of a model."""
    return f'public."{model._meta.db_table}"'


def literal(value: str) -> str:
    """A string constant; values come from our own code, quoting guards against an apostrophe only."""
    return "'" + value.replace("'", "''") + "'"


def refuse(name: str, message_sql: str) -> str:
    """A plpgsql statement that refuses with SQLSTATE 23514, so that Django raises IntegrityError."""
    return (
        f"RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = {literal(name)}, "
        f"TABLE = TG_TABLE_NAME, MESSAGE = {message_sql};"
    )


class TriggerRule(SqlRule):
    """One plpgsql function with the rule's name, and the triggers that call it."""

    def body(self, model: type[models.Model]) -> str:
        raise NotImplementedError

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        """(trigger name, everything between its name and EXECUTE FUNCTION)."""
        raise NotImplementedError

    def up(self, model: type[models.Model]) -> str:
        made = "\n".join(
            f'CREATE {"CONSTRAINT " if "DEFERRABLE" in clause else ""}TRIGGER "{name}" {clause} '
            f'EXECUTE FUNCTION public."{self.name}"();'
            for name, clause in self.triggers(model)
        )
        return (
            # OR REPLACE: dropping a table takes its triggers along and leaves their functions behind.
            f'CREATE OR REPLACE FUNCTION public."{self.name}"() RETURNS trigger LANGUAGE plpgsql '
            f"AS $rule$\nBEGIN\n{self.body(model)}\nEND $rule$;\n{made}"
        )

    def down(self, model: type[models.Model]) -> str:
        # With its triggers, on whatever table they are: a rule may watch another model's. Nothing else can need it.
        return f'DROP FUNCTION public."{self.name}"() CASCADE;'


class Transitions(TriggerRule):
    """A state machine: refuses every change of ``field`` that is not listed, and births in other states.

    ``edges`` maps a state to the states that may follow it; ``born`` lists the states of a new row.
    """

    parameters = ("field", "born", "edges")

    def __init__(self, *, name: str, field: str, born: list[str], edges: dict[str, list[str]]) -> None:
        super().__init__(name=name)
        self.field, self.born, self.edges = field, born, edges

    def body(self, model: type[models.Model]) -> str:
        col = column(model, self.field)
        born = ", ".join(literal(state) for state in self.born)
        steps = ", ".join(
            literal(f"{old}>{new}") for old, following in self.edges.items() for new in following
        )
        born_refusal = refuse(self.name, f"'a new row may not start as ' || NEW.{col}")
        step_refusal = refuse(self.name, f"'no step from ' || OLD.{col} || ' to ' || NEW.{col}")
        return (
            f"IF TG_OP = 'INSERT' THEN\n"
            f"  IF NEW.{col} NOT IN ({born}) THEN {born_refusal} END IF;\n"
            f"ELSIF OLD.{col} || '>' || NEW.{col} NOT IN ({steps}) THEN {step_refusal}\n"
            f"END IF;\nRETURN NEW;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        col = column(model, self.field)
        return [
            (f"{self.name}_born", f"BEFORE INSERT ON {table(model)} FOR EACH ROW"),
            (
                f"{self.name}_step",
                f"BEFORE UPDATE ON {table(model)} FOR EACH ROW WHEN (OLD.{col} IS DISTINCT FROM NEW.{col})",
            ),
        ]


class Frozen(TriggerRule):
    """Refuses a change of the listed fields after insert; with ``once``, a null may still be filled."""

    parameters = ("fields", "once")

    def __init__(self, *, name: str, fields: list[str], once: bool = False) -> None:
        super().__init__(name=name)
        self.fields, self.once = fields, once

    def body(self, model: type[models.Model]) -> str:
        return refuse(self.name, literal(f"{', '.join(self.fields)} cannot change"))

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        conditions = []
        for field in self.fields:
            col = column(model, field)
            changed = f"OLD.{col} IS DISTINCT FROM NEW.{col}"
            conditions.append(f"(OLD.{col} IS NOT NULL AND {changed})" if self.once else f"({changed})")
        return [
            (
                self.name,
                f"BEFORE UPDATE ON {table(model)} FOR EACH ROW WHEN ({' OR '.join(conditions)})",
            )
        ]


class NeverBack(TriggerRule):
    """Refuses an update that makes ``field`` smaller (a mark that was passed stays passed)."""

    parameters = ("field",)

    def __init__(self, *, name: str, field: str) -> None:
        super().__init__(name=name)
        self.field = field

    def body(self, model: type[models.Model]) -> str:
        return refuse(self.name, literal(f"{self.field} never goes back"))

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        col = column(model, self.field)
        return [(self.name, f"BEFORE UPDATE ON {table(model)} FOR EACH ROW WHEN (NEW.{col} < OLD.{col})")]


class AppendOnly(TriggerRule):
    """Refuses UPDATE and DELETE of any row, by whomever."""

    def body(self, model: type[models.Model]) -> str:
        return refuse(self.name, "'rows of ' || TG_TABLE_NAME || ' are never changed or removed'")

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [(self.name, f"BEFORE UPDATE OR DELETE ON {table(model)} FOR EACH ROW")]
