"""squawk refuses a migration that takes row security or a policy away."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from tests.isolation.provers import programs

# Statements that a later migration may hold all the same: (app, migration) -> (rules, why).
EXCEPTIONS: dict[tuple[str, str], tuple[set[str], str]] = {}
KIND = pytest.mark.isolation("outside provers")


@pytest.fixture(autouse=True)
def _programs(request: pytest.FixtureRequest, database: None) -> None:
    if not programs.installed():
        missing = "the provers are not installed: run `make provers`"
        option = request.config.option
        pytest.fail(missing) if option.isolation or option.isolation_table else pytest.skip(missing)


def _later_migrations(loader: MigrationLoader) -> list[tuple[str, str]]:
    """Ours after each app's first: all 0001 are the first release."""
    ours = {config.label for config in apps.get_app_configs() if config.name.startswith("apps.")}
    return sorted(key for key in loader.disk_migrations if key[0] in ours and not key[1].startswith("0001"))


@KIND
def test_every_later_migration_leaves_the_guards_alone() -> None:
    refused = {}
    for app, name in _later_migrations(MigrationLoader(connection)):
        out = io.StringIO()
        call_command("sqlmigrate", app, name, stdout=out, no_color=True)
        if left := programs.squawk(out.getvalue()) - EXCEPTIONS.get((app, name), (set(), ""))[0]:
            refused[app, name] = left
    assert refused == {}


def _state() -> ProjectState:
    return MigrationLoader(connection).project_state()


def _sql_of(operation: Any) -> str:
    """What sqlmigrate would print for a migration of `sites` with this one operation."""
    before = _state()
    after = before.clone()
    operation.state_forwards("sites", after)
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        operation.database_forwards("sites", editor, before, after)
    return "\n".join(str(line) for line in editor.collected_sql)


@pytest.mark.isolation("outside provers", control=True)
@pytest.mark.parametrize(
    ("operation", "rules"),
    [
        (
            migrations.RemoveConstraint("asset", "asset_site_policy"),
            {"ban-drop-policy", "ban-alter-row-level-security"},
        ),
        (
            migrations.RunSQL("ALTER TABLE sites_asset DISABLE ROW LEVEL SECURITY"),
            {"ban-alter-row-level-security"},
        ),
        (
            migrations.RunSQL("ALTER TABLE sites_asset NO FORCE ROW LEVEL SECURITY"),
            {"ban-alter-row-level-security"},
        ),
        (
            migrations.RunSQL("ALTER POLICY asset_site_policy ON sites_asset USING (true)"),
            {"ban-alter-policy-condition"},
        ),
        (
            migrations.RunSQL("ALTER POLICY asset_site_policy ON sites_asset TO PUBLIC"),
            {"ban-alter-policy-roles"},
        ),
        (migrations.RunSQL("ALTER TABLE sites_asset DISABLE TRIGGER ALL"), {"ban-disable-trigger"}),
        (migrations.RunSQL("ALTER ROLE posx_app BYPASSRLS"), {"ban-alter-role-options"}),
    ],
    ids=[
        "policy removed",
        "disabled",
        "not forced",
        "policy opened",
        "policy for all",
        "triggers off",
        "bypass",
    ],
)
def test_a_migration_that_takes_a_guard_away_is_refused(operation: Any, rules: set[str]) -> None:
    assert rules <= programs.squawk(_sql_of(operation))


@KIND
@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("asset", "note", models.TextField(null=True)),
        migrations.RunSQL(
            'ALTER TABLE public."x" ENABLE ROW LEVEL SECURITY;\nALTER TABLE x FORCE ROW LEVEL SECURITY;'
        ),
    ],
    ids=["a column", "a new table's row security"],
)
def test_an_ordinary_migration_is_accepted(operation: Any) -> None:
    """So that the refusals above are about row security and not about everything."""
    assert programs.squawk(_sql_of(operation)) == set()
