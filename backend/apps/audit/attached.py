"""History of tables below this room: their models cannot name the trail, so a migration of ours attaches it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from apps.audit.trail import AuditTrail


class AttachTrail(Operation):
    """Create ``trail`` on the table of ``model`` ("sites.Asset"); taken back it leaves the rows written so far.

    The state of the models does not change: `makemigrations` has nothing to say about it.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, model: str, trail: AuditTrail) -> None:
        self.model = model
        self.trail = trail

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Triggers are not part of it."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._run(app_label, schema_editor, to_state, self.trail.up)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._run(app_label, schema_editor, to_state, self.trail.down)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"model": self.model, "trail": self.trail}

    def describe(self) -> str:
        return f"Keep a history of {self.model}"

    def _run(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, state: ProjectState, sql_of: Any
    ) -> None:
        model: Any = state.apps.get_model(self.model)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.execute(sql_of(model), params=None)


class SiteTrail(AuditTrail):
    """The history of sites themselves: a site's row is its own site's, and has to be changed in its scope.

    Changes only: a new site's first rule stands in its row, and ``before`` of the first change repeats it.
    """

    site_column: ClassVar[str] = "id"
    operations: ClassVar[tuple[str, ...]] = ("update",)
