"""Our migrate makes the logins, hands objects over, and refuses a database in which rows could cross a site."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from apps.sites import roles
from apps.sites.catalogue import QUESTIONS, catalogue_faults
from apps.sites.siteless import SITELESS
from tests.databases import connect_as_superuser
from tests.servers import BACKEND, clone_template, database_url


@pytest.fixture
def scratch_url(database: None) -> Iterator[str]:
    """A database of its own, migrated, that a test may spoil."""
    name = clone_template(f"posx_scratch_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    yield database_url(name)
    admin = connect_as_superuser(os.environ["DATABASE_URL"])
    with admin.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    admin.close()


@pytest.fixture
def scratch(scratch_url: str) -> Iterator[Any]:
    connection = connect_as_superuser(scratch_url)
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


def _start_migrate(url: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "migrate", "--noinput", *arguments],
        cwd=BACKEND,
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _faults(cursor: Any) -> list[str]:
    return catalogue_faults(cursor)


@pytest.mark.isolation("catalogue guard")
def test_a_migrated_database_is_sound(scratch: Any) -> None:
    assert _faults(scratch) == []


def test_two_replicas_may_migrate_at_once(scratch_url: str) -> None:
    runs = [_start_migrate(scratch_url), _start_migrate(scratch_url)]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs


# Everything that a rule of ours makes; a column's place is left out, as one that was dropped keeps its own.
MADE = """
SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
          WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT concat_ws(' ', tablename, policyname, roles, cmd, qual, with_check) FROM pg_policies
"""


def _made(cursor: Any) -> set[str]:
    cursor.execute(MADE)
    return {made for (made,) in cursor.fetchall()}


def test_a_second_release_can_alter_what_was_handed_over(scratch_url: str, scratch: Any) -> None:
    made = _made(scratch)
    # The lowest room with money: every room above it goes with it.
    back = _start_migrate(scratch_url, "payouts", "zero")
    output = back.communicate(timeout=60)[0]
    assert back.returncode == 0, output
    assert "Unapplying orders.0001_initial" in output
    assert "Unapplying vesting.0001_initial" in output
    forth = _start_migrate(scratch_url)
    output = forth.communicate(timeout=60)[0]
    assert (forth.returncode, "Row security is in force" in output) == (0, True), output
    assert _made(scratch) ^ made == set()


SPOILED = {
    "every table belongs to a site or is on the site-less list": [
        ("CREATE TABLE public.forgotten (id int)", "forgotten: no NOT NULL uuid site_id"),
        ("ALTER TABLE sites_asset ALTER site_id DROP NOT NULL", "sites_asset: no NOT NULL uuid site_id"),
    ],
    "row security is enabled and forced": [
        ("ALTER TABLE sites_asset DISABLE ROW LEVEL SECURITY", "sites_asset: row security is not enabled"),
        ("ALTER TABLE sites_asset NO FORCE ROW LEVEL SECURITY", "sites_asset: row security is not enabled"),
    ],
    "the app login has exactly its policy": [
        ("DROP POLICY asset_site_policy ON sites_asset", "sites_asset: wants one permissive policy"),
        (
            "ALTER POLICY asset_site_policy ON sites_asset WITH CHECK (true)",
            "sites_asset: wants one permissive policy",
        ),
    ],
    "no other policy opens a table to the app login": [
        ("CREATE POLICY open ON sites_asset USING (true)", "sites_asset: policy open"),
        ("CREATE POLICY open ON sites_asset TO posx_app USING (true)", "sites_asset: policy open"),
        (
            "ALTER POLICY asset_site_policy_migrator ON sites_asset USING (true)",
            "sites_asset: policy asset_site_policy_migrator",
        ),
    ],
    "references inside a site carry the site": [
        (
            "ALTER TABLE accounts_wallet ADD FOREIGN KEY (member_id) REFERENCES accounts_membership (id)",
            "accounts_wallet: foreign key accounts_wallet_member_id_fkey",
        )
    ],
    "references are valid and do nothing on their own": [
        (
            "ALTER TABLE accounts_wallet ADD FOREIGN KEY (site_id, member_id)"
            " REFERENCES accounts_membership (site_id, id) ON DELETE CASCADE",
            "accounts_wallet: foreign key accounts_wallet_site_id_member_id_fkey is not validated or cascades",
        )
    ],
    "an index leads with the site": [
        (
            "ALTER TABLE audit_auditevent DROP CONSTRAINT IF EXISTS none;"
            " DROP INDEX audit_site_time; DROP INDEX audit_site_row",
            "audit_auditevent: no index leads with site_id",
        )
    ],
    "unique keys are per site": [
        ("CREATE UNIQUE INDEX global ON sites_asset (code)", "sites_asset: unique index global"),
        (
            "CREATE UNIQUE INDEX global ON sites_asset (lower(code), site_id)",
            "sites_asset: unique index global",
        ),
    ],
    "nothing counts across sites": [
        ("ALTER TABLE sites_asset ADD n bigserial", "sites_asset: column n counts"),
        ("ALTER TABLE sites_asset ADD n int GENERATED ALWAYS AS IDENTITY", "sites_asset: column n counts"),
    ],
    "tables are the owner's": [
        ("ALTER TABLE sites_asset OWNER TO posx_app", "sites_asset: owned by posx_app"),
    ],
    "the app login has no right that goes around rows": [
        ("GRANT TRUNCATE ON sites_asset TO posx_app", "sites_asset: the app login may TRUNCATE"),
        ("GRANT REFERENCES ON sites_asset TO PUBLIC", "sites_asset: the app login may REFERENCES"),
        ("GRANT CREATE ON SCHEMA public TO posx_app", "schema public: the app login may CREATE"),
        (
            "DO $$ BEGIN EXECUTE format('GRANT TEMP ON DATABASE %I TO posx_app', current_database()); END $$",
            "database: the app login may TEMPORARY",
        ),
    ],
    "views ask as who looks": [
        ("CREATE VIEW open AS SELECT * FROM sites_asset", "open: a view without security_invoker"),
        (
            "CREATE MATERIALIZED VIEW open AS SELECT * FROM sites_asset",
            "open: a view without security_invoker",
        ),
    ],
    "definer functions are known and pinned": [
        (
            "CREATE FUNCTION open() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "open(): SECURITY DEFINER",
        ),
        ("ALTER FUNCTION member_sites(uuid) RESET search_path", "member_sites(uuid): SECURITY DEFINER"),
        ("ALTER FUNCTION member_sites(uuid) OWNER TO postgres", "member_sites(uuid): SECURITY DEFINER"),
    ],
    "partitions are guarded themselves": [
        (
            "CREATE TABLE parted (id uuid PRIMARY KEY, site_id uuid NOT NULL) PARTITION BY HASH (id);"
            "CREATE TABLE part PARTITION OF parted FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
            "part: a partition can be read past",
        )
    ],
    "the app login is nobody else": [
        ("GRANT posx_owner TO posx_app", "login posx_app is a member of posx_owner"),
        ("ALTER ROLE posx_auditor BYPASSRLS", "login posx_auditor is superuser"),
    ],
}


@pytest.mark.isolation("catalogue guard")
def test_every_question_of_the_guard_is_tried() -> None:
    assert set(SPOILED) == set(QUESTIONS)


@pytest.mark.parametrize(("spoil", "sentence"), [case for cases in SPOILED.values() for case in cases])
@pytest.mark.isolation("catalogue guard", control=True)
def test_the_guard_names_what_was_spoiled(scratch: Any, spoil: str, sentence: str) -> None:
    # Roles belong to the cluster and other databases of this run: undone with everything else.
    scratch.execute("BEGIN")
    try:
        scratch.execute(spoil)
        assert any(fault.startswith(sentence) for fault in _faults(scratch)), _faults(scratch)
    finally:
        scratch.execute("ROLLBACK")


@pytest.mark.isolation("catalogue guard", control=True)
def test_migrate_fails_on_a_spoiled_database(scratch_url: str, scratch: Any) -> None:
    scratch.execute("ALTER TABLE sites_asset DISABLE ROW LEVEL SECURITY")
    run = _start_migrate(scratch_url)
    output = run.communicate(timeout=60)[0]
    assert run.returncode != 0
    assert "sites_asset: row security is not enabled" in output


def test_without_the_policy_rows_do_cross(scratch: Any) -> None:
    """Negative control: the policy, and nothing else, is what hides the row."""
    scratch.execute(
        "INSERT INTO sites_site (id, code, name, is_active, registration_open, currencies, approval_rule, created_at)"
        " VALUES (gen_random_uuid(), 'NA', 'x', true, true, '{USD}', 'two_people', now()),"
        " (gen_random_uuid(), 'ASIA', 'x', true, true, '{USD}', 'two_people', now())"
    )
    scratch.execute("SET app.actor_kind = 'test'")  # assets have a history, and history an author
    scratch.execute(
        "INSERT INTO sites_asset SELECT gen_random_uuid(), 'T', 'T', 18, 1, '', 'a', '0', 0, now(), id FROM sites_site"
    )
    count = (
        "SELECT set_config('app.current_site_id', (SELECT id::text FROM sites_site LIMIT 1), false);"
        "SET ROLE posx_app; SELECT count(*) FROM sites_asset"
    )
    scratch.execute(count)
    assert scratch.fetchone() == (1,)
    scratch.execute("RESET ROLE; ALTER TABLE sites_asset DISABLE ROW LEVEL SECURITY;" + count)
    assert scratch.fetchone() == (2,)


@pytest.fixture
def weak_url(scratch_url: str, scratch: Any) -> Iterator[str]:
    """DATABASE_URL of a login that owns its database and nothing more."""
    database = scratch_url.rsplit("/", 1)[1]
    login = f"{database}_weak"
    # The same password as the superuser's: the logins' own are derived from it, and the whole run shares them.
    password = urlsplit(scratch_url).password
    scratch.execute(
        f"CREATE ROLE {login} LOGIN PASSWORD '{password}'; ALTER DATABASE {database} OWNER TO {login}"
    )
    scratch.execute(f"GRANT CONNECT ON DATABASE postgres TO {login}")
    yield f"postgresql://{login}:{password}@" + scratch_url.split("@")[1]
    scratch.execute(
        f"ALTER DATABASE {database} OWNER TO postgres; REVOKE ALL ON DATABASE postgres FROM {login}"
    )
    scratch.execute(f"DROP OWNED BY {login} CASCADE; DROP ROLE {login}")


def test_a_login_that_may_not_make_roles_is_told_what_to_do(weak_url: str, scratch: Any) -> None:
    # With a password of its own, from which the logins that exist here were not derived.
    parts = urlsplit(weak_url)
    scratch.execute(f"ALTER ROLE {parts.username} PASSWORD 'weak'")
    run = _start_migrate(weak_url.replace(f":{parts.password}@", ":weak@"))
    output = run.communicate(timeout=60)[0]
    assert run.returncode != 0
    assert "neither superuser nor may create roles" in output
    assert "provision_roles --sql" in output
    assert "Traceback" not in output


def test_the_script_for_an_administrator_names_every_role_and_right(weak_url: str) -> None:
    script = subprocess.run(
        [sys.executable, "manage.py", "provision_roles", "--sql"],
        cwd=BACKEND,
        env={**os.environ, "DATABASE_URL": weak_url, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for role in roles.ALL:
        assert f'ROLE "{role}"' in script
    assert 'GRANT "posx_owner" TO "posx_migrator"' in script
    assert "REVOKE ALL ON DATABASE" in script


def test_roles_made_by_hand_are_enough(weak_url: str, scratch: Any) -> None:
    environment = {**os.environ, "DATABASE_URL": weak_url, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    script = subprocess.run(
        [sys.executable, "manage.py", "provision_roles", "--sql"],
        cwd=BACKEND,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    scratch.execute(script.replace("%", "%%"))
    run = _start_migrate(weak_url)
    output = run.communicate(timeout=60)[0]
    assert (run.returncode, "made by hand and work" in output) == (0, True), output


def test_a_release_that_died_before_handing_over_is_finished_by_the_next(
    scratch_url: str, scratch: Any
) -> None:
    scratch.execute("ALTER TABLE sites_asset OWNER TO posx_migrator")
    assert any("owned by posx_migrator" in fault for fault in _faults(scratch))
    run = _start_migrate(scratch_url)
    output = run.communicate(timeout=60)[0]
    assert run.returncode == 0, output
    assert _faults(scratch) == []


@pytest.mark.isolation("catalogue guard", control=True)
def test_manage_check_asks_the_database_too(scratch_url: str, scratch: Any) -> None:
    scratch.execute("ALTER TABLE sites_asset DISABLE ROW LEVEL SECURITY")
    run = subprocess.run(
        [sys.executable, "manage.py", "check", "--database", "default"],
        cwd=BACKEND,
        env={**os.environ, "DATABASE_URL": scratch_url, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "(posx.E010) sites_asset: row security is not enabled" in run.stderr


def test_the_tenancy_page_shows_the_siteless_list() -> None:
    page = (BACKEND.parent / "docs" / "tenancy.md").read_text()
    assert [name for name, table in SITELESS.items() if f"| `{name}` | {table.reason} |" not in page] == []
