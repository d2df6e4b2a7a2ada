"""Rules on tables of rooms below: their models cannot name the rule, so a migration of the upper room attaches it."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from apps.core.rules import SqlRule


class AttachRule(Operation):
    """Create ``rule`` on the table of ``model`` ("orders.Order").

    The state of the models does not change: `makemigrations` has nothing to say about it.
    """

    reversible = True
    reduces_to_sql = True
    # The names of the two arguments in a migration file.
    rule_argument = "rule"

    def __init__(self, model: str, rule: SqlRule) -> None:
        self.model = model
        self.rule = rule

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Triggers are not part of it."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._run(schema_editor, to_state, self.rule.up)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._run(schema_editor, to_state, self.rule.down)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"model": self.model, self.rule_argument: self.rule}

    def describe(self) -> str:
        return f"Attach {self.rule.name} to {self.model}"

    def _run(self, schema_editor: BaseDatabaseSchemaEditor, state: ProjectState, sql_of: Any) -> None:
        model: Any = state.apps.get_model(self.model)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.execute(sql_of(model), params=None)
