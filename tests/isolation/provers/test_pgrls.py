"""pgrls lints the migrated database and proves, with Z3, that no session reads or writes across sites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.sites import roles
from tests.admin.rows import OUR_MODELS
from tests.databases import connect_as_superuser
from tests.isolation.provers import programs
from tests.servers import database_url

PROVED = ("anon", "cross-tenant", "write", "reachability", "escalation")
GUARDED = {model._meta.db_table for model in OUR_MODELS if getattr(model, "is_site_owned", False)}
HERE = "site_id = (SELECT current_setting('app.current_site_id')::uuid)"
KIND = pytest.mark.isolation("outside provers")


@pytest.fixture(autouse=True)
def _programs(request: pytest.FixtureRequest) -> None:
    if not programs.installed():
        missing = "the provers are not installed: run `make provers`"
        option = request.config.option
        pytest.fail(missing) if option.isolation or option.isolation_table else pytest.skip(missing)


@pytest.fixture
def scratch(scratch_name: str) -> Iterator[Any]:
    connection = connect_as_superuser(database_url(scratch_name))
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@pytest.fixture
def settings_file(scratch: Any, tmp_path: Path) -> Path:
    scratch.execute("SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace")
    return programs.pgrls_settings(tmp_path, [name for (name,) in scratch.fetchall()])


def _leave_the_apps_policies(cursor: Any) -> None:
    """`verify` ORs all policies of a table. Those of other logins are not the app's; the catalogue guard pins them."""
    cursor.execute(
        "SELECT polname, polrelid::regclass FROM pg_policy WHERE NOT polroles = ARRAY[%s::regrole::oid]",
        [roles.APP],
    )
    for name, table in cursor.fetchall():
        cursor.execute(f'DROP POLICY "{name}" ON {table}')


def _verify(name: str, settings_file: Path, mode: str) -> tuple[int, dict[str, str]]:
    status, found = programs.pgrls(
        "verify", url=database_url(name), settings=settings_file, options=("--mode", mode, "--strict")
    )
    tables = found.get("tables", [])
    verdicts = {str(row["table"]).removeprefix("public."): str(row["verdict"]) for row in tables}
    return status, verdicts


@KIND
def test_lint_finds_nothing_that_has_no_reason(scratch_name: str, settings_file: Path) -> None:
    status, found = programs.pgrls(
        "lint", url=database_url(scratch_name), settings=settings_file, options=("--fail-on", "info")
    )
    assert (status, found["violations"]) == (0, [])


@KIND
@pytest.mark.parametrize("mode", PROVED)
def test_the_apps_policies_are_proven(
    scratch_name: str, scratch: Any, settings_file: Path, mode: str
) -> None:
    _leave_the_apps_policies(scratch)
    status, verdicts = _verify(scratch_name, settings_file, mode)
    assert status == 0, verdicts
    if mode in ("anon", "cross-tenant", "write"):
        assert {table for table, verdict in verdicts.items() if verdict == "isolated"} == GUARDED


@KIND
def test_nobody_without_a_site_reads_a_row_under_all_policies(scratch_name: str, settings_file: Path) -> None:
    """As the database is, the policies of migrator, lookup and auditor included."""
    status, verdicts = _verify(scratch_name, settings_file, "anon")
    assert (status, set(verdicts.values())) == (0, {"isolated"})


@pytest.mark.isolation("outside provers", control=True)
@pytest.mark.parametrize(
    ("mode", "spoil", "verdict"),
    [
        ("anon", "CREATE POLICY open ON sites_asset USING (true)", "leak"),
        (
            "cross-tenant",
            f"ALTER POLICY asset_site_policy ON sites_asset USING ({HERE} OR code = 'X')",
            "leak",
        ),
        ("write", "ALTER POLICY asset_site_policy ON sites_asset WITH CHECK (true)", "leak"),
        # Nothing in it compares the site: there is no property to prove, which --strict refuses as well.
        ("cross-tenant", "CREATE POLICY open ON sites_asset TO posx_app USING (true)", "unverified"),
        ("cross-tenant", "ALTER POLICY asset_site_policy ON sites_asset USING (decimals > 0)", "unverified"),
    ],
    ids=["open to all", "or another column", "without the check", "open to the app", "without the site"],
)
def test_a_bad_policy_is_not_proven(
    scratch_name: str, scratch: Any, settings_file: Path, mode: str, spoil: str, verdict: str
) -> None:
    scratch.execute(spoil)
    if "open ON sites_asset USING" not in spoil:
        _leave_the_apps_policies(scratch)
    status, verdicts = _verify(scratch_name, settings_file, mode)
    assert status != 0
    assert verdicts["sites_asset"] == verdict
    assert {said for table, said in verdicts.items() if table != "sites_asset"} <= {"isolated"}


@pytest.mark.isolation("outside provers", control=True)
@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        ("CREATE TABLE forgotten (id uuid PRIMARY KEY, site_id uuid NOT NULL)", "SEC001"),
        ("CREATE POLICY open ON sites_asset USING (true)", "SEC003"),
        ("ALTER TABLE sites_asset NO FORCE ROW LEVEL SECURITY", "SEC002"),
        ("CREATE FUNCTION look() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'", "SEC014"),
    ],
)
def test_lint_names_what_was_spoiled(
    scratch_name: str, scratch: Any, settings_file: Path, spoil: str, rule: str
) -> None:
    scratch.execute(spoil)
    status, found = programs.pgrls(
        "lint", url=database_url(scratch_name), settings=settings_file, options=("--fail-on", "info")
    )
    assert status != 0
    assert rule in {each.get("rule_id") or each.get("rule") for each in found["violations"]}, found[
        "violations"
    ]
