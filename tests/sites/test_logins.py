"""Row security only binds logins that cannot step out of it."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest
from django.conf import settings
from django.db import connection, connections

from apps.sites import roles
from apps.sites.postgresql.base import UnsafeLogin, refuse_unsafe_login
from apps.sites.scope import site_scope
from tests.factories import make_asset, make_site

pytestmark = pytest.mark.usefixtures("database")


def _as_default(**changes: Any) -> Any:
    wrapper = connections.create_connection("default")
    wrapper.settings_dict = {**wrapper.settings_dict, **changes}
    return wrapper


@pytest.mark.isolation("role switching")
def test_the_tests_themselves_run_as_the_app_login() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user, current_user")
        assert cursor.fetchone() == (roles.APP, roles.APP)


@pytest.mark.isolation("role switching")
def test_a_superuser_is_refused_with_what_to_do() -> None:
    admin = settings.DATABASE_ADMIN
    wrapper = _as_default(USER=admin["USER"], PASSWORD=admin["PASSWORD"])
    with pytest.raises(UnsafeLogin, match=r"is a superuser.*manage\.py migrate"):
        wrapper.connect()


@pytest.mark.parametrize(
    ("grant", "undo", "reason"),
    [
        (f"GRANT {roles.OWNER} TO posx_test_login", "", "owns tables"),
        ("ALTER ROLE posx_test_login BYPASSRLS", "", "has BYPASSRLS"),
        (
            "CREATE ROLE posx_test_group BYPASSRLS; GRANT posx_test_group TO posx_test_login",
            "DROP ROLE posx_test_group",
            "member of a role that bypasses",
        ),
    ],
    ids=["owner's member", "bypassrls", "member of bypassrls"],
)
@pytest.mark.isolation("role switching")
def test_every_login_that_could_step_out_is_refused(
    admin_connection: Any, grant: str, undo: str, reason: str
) -> None:
    with admin_connection.cursor() as cursor:
        cursor.execute("CREATE ROLE posx_test_login LOGIN PASSWORD 'test'")
        try:
            cursor.execute(
                f"GRANT CONNECT ON DATABASE {settings.DATABASE_ADMIN['NAME']} TO posx_test_login; {grant}"
            )
            wrapper = _as_default(USER="posx_test_login", PASSWORD="test")
            with pytest.raises(UnsafeLogin, match=reason):
                wrapper.connect()
        finally:
            cursor.execute(f"DROP OWNED BY posx_test_login; DROP ROLE posx_test_login; {undo}")


@pytest.mark.parametrize(
    "escape",
    [
        "SET ROLE postgres",
        f"SET ROLE {roles.OWNER}",
        f"SET ROLE {roles.MIGRATOR}",
        f"SET ROLE {roles.LOOKUP}",
        "SET SESSION AUTHORIZATION postgres",
        "ALTER TABLE sites_asset DISABLE ROW LEVEL SECURITY",
        "DROP POLICY asset_site_policy ON sites_asset",
        "TRUNCATE sites_asset",
        "CREATE TEMP TABLE stolen (x int)",
        "CREATE TABLE public.stolen (x int)",
        "ALTER ROLE posx_app BYPASSRLS",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ],
)
@pytest.mark.isolation("role switching")
def test_the_app_login_cannot_step_out(escape: str) -> None:
    with connection.cursor() as cursor, pytest.raises(Exception, match=r"permission denied|must be"):
        cursor.execute(escape)


@pytest.mark.parametrize("reset", ["RESET ROLE", "SET row_security = off", "RESET SESSION AUTHORIZATION"])
@pytest.mark.isolation("role switching")
def test_allowed_resets_gain_nothing(reset: str) -> None:
    here, there = make_site("NA"), make_site("ASIA")
    make_asset(there)
    with site_scope(here.id), connection.cursor() as cursor:
        cursor.execute(reset)
        try:
            cursor.execute("SELECT count(*) FROM sites_asset")
            seen = cursor.fetchone()[0]
        except Exception as error:  # row_security = off makes a policy an error: nothing was read
            assert "row-level security" in str(error)
            seen = 0
            connection.set_rollback(True)
    assert seen == 0


def test_a_wrong_password_is_refused_by_the_server() -> None:
    admin = settings.DATABASE_ADMIN
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(
            dbname=admin["NAME"], user=roles.APP, password="wrong", host=admin["HOST"], port=admin["PORT"]
        )


def test_the_guard_accepts_the_app_login() -> None:
    connection.ensure_connection()
    raw = connection.connection
    raw_autocommit, raw.autocommit = raw.autocommit, False
    try:
        refuse_unsafe_login(raw)
    finally:
        raw.autocommit = raw_autocommit


@pytest.mark.isolation("role switching", control=True)
def test_a_health_check_reconnect_is_guarded_too() -> None:
    """Negative control of the guard's place: it sits where every new connection is made."""
    connection.close()
    admin = settings.DATABASE_ADMIN
    kept = connection.settings_dict
    connection.settings_dict = {**kept, "USER": admin["USER"], "PASSWORD": admin["PASSWORD"]}
    try:
        with pytest.raises(UnsafeLogin):
            connection.ensure_connection()
    finally:
        connection.settings_dict = kept
