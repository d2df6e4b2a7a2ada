"""Our migrate makes the logins, hands objects over, and refuses a database in which rows could cross a site."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from apps.sites.catalogue import catalogue_faults
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


def test_a_migrated_database_is_sound(scratch: Any) -> None:
    assert _faults(scratch) == []


def test_two_replicas_may_migrate_at_once(scratch_url: str) -> None:
    runs = [_start_migrate(scratch_url), _start_migrate(scratch_url)]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs


def test_a_second_release_can_alter_what_was_handed_over(scratch_url: str) -> None:
    back = _start_migrate(scratch_url, "orders", "zero")
    assert "Unapplying orders.0001_initial" in back.communicate(timeout=60)[0]
    forth = _start_migrate(scratch_url)
    output = forth.communicate(timeout=60)[0]
    assert (forth.returncode, "Row security is in force" in output) == (0, True), output


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ("ALTER TABLE sites_asset DISABLE ROW LEVEL SECURITY", "sites_asset: row security is not enabled"),
        ("ALTER TABLE sites_asset NO FORCE ROW LEVEL SECURITY", "sites_asset: row security is not enabled"),
        ("DROP POLICY asset_site_policy ON sites_asset", "sites_asset: policies for"),
        (
            "CREATE POLICY open ON sites_asset USING (true)",
            "sites_asset: policies for",
        ),
        ("GRANT TRUNCATE ON sites_asset TO posx_app", "sites_asset: the app login may TRUNCATE"),
        ("ALTER TABLE sites_asset OWNER TO posx_app", "sites_asset: owned by posx_app"),
        ("CREATE TABLE public.forgotten (id int)", "forgotten: no NOT NULL site_id"),
        (
            "ALTER TABLE accounts_wallet ADD FOREIGN KEY (member_id) REFERENCES accounts_membership (id)",
            "accounts_wallet: foreign key",
        ),
    ],
)
def test_the_guard_names_what_was_spoiled(scratch: Any, spoil: str, sentence: str) -> None:
    scratch.execute(spoil)
    assert any(fault.startswith(sentence) for fault in _faults(scratch)), _faults(scratch)


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


def test_a_non_superuser_is_told_what_it_cannot_do(scratch_url: str, scratch: Any) -> None:
    scratch.execute("CREATE ROLE posx_weak LOGIN PASSWORD 'weak'")
    try:
        name = scratch_url.rsplit("/", 1)[1]
        scratch.execute(
            f'GRANT CONNECT ON DATABASE "{name}" TO posx_weak; GRANT CONNECT ON DATABASE postgres TO posx_weak'
        )
        weak_url = "postgresql://posx_weak:weak@" + scratch_url.split("@")[1]
        run = _start_migrate(weak_url)
        output = run.communicate(timeout=60)[0]
        assert run.returncode != 0
        assert "is not a superuser and cannot make the roles" in output
        assert "Traceback" not in output
    finally:
        scratch.execute(
            "DROP OWNED BY posx_weak; REVOKE ALL ON DATABASE postgres FROM posx_weak; DROP ROLE posx_weak"
        )


def test_the_tenancy_page_shows_the_siteless_list() -> None:
    page = (BACKEND.parent / "docs" / "tenancy.md").read_text()
    assert [name for name, table in SITELESS.items() if f"| `{name}` | {table.reason} |" not in page] == []
