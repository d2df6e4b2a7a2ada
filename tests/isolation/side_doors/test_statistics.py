"""What PostgreSQL itself tells about rows: estimates, statistics, other sessions, channels, locks, cursors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from django.conf import settings
from django.db import DatabaseError, connection

from apps.sites.models import Asset
from apps.sites.scope import site_scope
from tests.admin.rows import OUR_MODELS
from tests.factories import in_site, make_asset
from tests.isolation.conftest import TwoSites, make_two_sites

SITE_TABLES = [model._meta.db_table for model in OUR_MODELS if getattr(model, "is_site_owned", False)]
PROBE = "4b1d0f2e probe"


def _ask(statement: str, values: Any = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


@pytest.fixture
def other_session() -> Iterator[Any]:
    """A second session of the app login, in a transaction."""
    own: dict[str, Any] = connection.settings_dict
    made = psycopg2.connect(
        dbname=own["NAME"], user=own["USER"], password=own["PASSWORD"], host=own["HOST"], port=own["PORT"]
    )
    with made.cursor() as cursor:
        yield cursor
    made.close()


@pytest.fixture
def counted(sites: TwoSites, admin_connection: Any) -> TwoSites:
    """B has a hundred assets, A one, and the planner knows."""
    with admin_connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('app.actor_kind', 'test', true);"  # history wants an author
            "INSERT INTO sites_asset"
            " SELECT gen_random_uuid(), 'T' || n, 'THEIR SECRET', 18, 1, '', 'a', '0', 0, now(), %s"
            " FROM generate_series(1, 99) n",
            [sites.there.id],
        )
        cursor.execute("ANALYZE sites_asset")
    return sites


@pytest.mark.isolation("statistics")
@pytest.mark.parametrize("view", ["pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"])
def test_the_statistics_views_hide_tables_under_row_security(counted: TwoSites, view: str) -> None:
    with site_scope(counted.here.id):
        assert _ask(f"SELECT tablename FROM {view} WHERE tablename = ANY (%s)", [SITE_TABLES]) == []


@pytest.mark.isolation("statistics")
@pytest.mark.parametrize("table", ["pg_statistic", "pg_statistic_ext_data", "pg_authid"])
def test_the_statistics_themselves_are_refused(counted: TwoSites, table: str) -> None:
    with pytest.raises(DatabaseError, match="permission denied"):
        _ask(f"SELECT * FROM {table}")


@pytest.mark.isolation("statistics")
def test_the_planner_shows_no_value_of_another_site(counted: TwoSites) -> None:
    with site_scope(counted.here.id):
        plan = "\n".join(
            line for (line,) in _ask("EXPLAIN (VERBOSE) SELECT * FROM sites_asset WHERE decimals > 3")
        )
        assert Asset.objects.filter(name="THEIR SECRET").explain()
    assert "THEIR SECRET" not in plan
    assert str(counted.there.id) not in plan


@pytest.mark.isolation("statistics")
def test_an_analysed_plan_counts_filtered_rows_but_only_of_what_was_scanned(counted: TwoSites) -> None:
    """An honest limit (docs/tenancy.md): EXPLAIN ANALYZE and reltuples tell how many rows all sites have together."""
    with site_scope(counted.here.id):
        ((total,),) = _ask("SELECT reltuples FROM pg_class WHERE oid = 'sites_asset'::regclass")
        assert total == 101
        assert Asset.objects.count() == 1


@pytest.mark.isolation("statistics")
def test_no_statement_of_the_product_asks_for_a_plan() -> None:
    from tests.isolation.side_doors.source import product_strings

    asked = [where for where, text in product_strings() if "explain" in text.lower().split()]
    assert asked == []


@pytest.mark.isolation("statistics", control=True)
def test_without_row_security_the_statistics_show_values(spoil: Callable[[str], None]) -> None:
    made = make_two_sites()
    for number in range(3):
        make_asset(made.there, f"T{number}", name="THEIR SECRET")
    spoil("ANALYZE sites_asset")
    shown = "SELECT most_common_vals::text FROM pg_stats WHERE tablename = 'sites_asset' AND attname = 'name'"
    assert _ask(shown) == []
    spoil("ALTER TABLE sites_asset DISABLE ROW LEVEL SECURITY")
    assert "THEIR SECRET" in _ask(shown)[0][0]


@pytest.mark.isolation("pg_stat_activity")
def test_a_session_does_not_see_the_statements_of_others(sites: TwoSites, other_session: Any) -> None:
    other_session.execute(f"SELECT '{PROBE}'")
    seen = _ask(
        "SELECT query FROM pg_stat_activity WHERE pid = %s", [other_session.connection.info.backend_pid]
    )
    assert seen == [("",)]


@pytest.mark.isolation("pg_stat_activity")
@pytest.mark.parametrize(
    "undo", ["SET track_activities = on", "RESET track_activities", "SET ROLE posx_auditor"]
)
def test_the_app_login_cannot_make_them_visible(sites: TwoSites, other_session: Any, undo: str) -> None:
    with pytest.raises(psycopg2.Error, match="permission denied"):
        other_session.execute(undo)
        other_session.execute("SHOW track_activities")
        assert other_session.fetchone() == ("off",)
        raise psycopg2.Error("permission denied: it stayed off")


@pytest.mark.isolation("pg_stat_activity")
def test_other_logins_are_hidden_as_ever(sites: TwoSites, admin_connection: Any) -> None:
    with admin_connection.cursor() as cursor:
        cursor.execute(f"SELECT '{PROBE}'")
    shown = {query for (query,) in _ask("SELECT query FROM pg_stat_activity WHERE usename = 'postgres'")}
    assert shown <= {"<insufficient privilege>"}


@pytest.mark.isolation("pg_stat_activity", control=True)
def test_with_tracking_on_the_text_and_its_parameters_are_read_by_all(
    sites: TwoSites, admin_connection: Any, other_session: Any
) -> None:
    """Negative control: psycopg2 writes parameters into the statement."""
    with admin_connection.cursor() as cursor:
        cursor.execute("GRANT SET ON PARAMETER track_activities TO posx_app")
        try:
            other_session.execute("SET track_activities = on")
            other_session.execute("SELECT %s", [PROBE])
            pid = other_session.connection.info.backend_pid
            ((query,),) = _ask("SELECT query FROM pg_stat_activity WHERE pid = %s", [pid])
        finally:
            cursor.execute("REVOKE SET ON PARAMETER track_activities FROM posx_app")
    assert PROBE in query


@pytest.mark.isolation("sequences")
def test_no_sequence_can_be_read_or_moved(sites: TwoSites) -> None:
    found = [name for (name,) in _ask("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S'")]
    assert found
    for name in found:
        for statement in (
            f"SELECT last_value FROM {name}",
            f"SELECT nextval('{name}')",
            f"SELECT setval('{name}', 1)",
        ):
            with pytest.raises(DatabaseError, match="permission denied"):
                _ask(statement)
    assert [value for (value,) in _ask("SELECT last_value FROM pg_sequences") if value is not None] == []


@pytest.mark.isolation("sequences")
def test_no_column_of_a_site_counts(admin_connection: Any) -> None:
    with admin_connection.cursor() as cursor:
        cursor.execute(
            "SELECT attrelid::regclass, attname FROM pg_attribute a LEFT JOIN pg_attrdef d "
            "ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE attrelid = ANY (%s::regclass[]) "
            "AND (attidentity <> '' OR pg_get_expr(adbin, adrelid) LIKE %s)",
            [SITE_TABLES, "nextval%"],
        )
        assert cursor.fetchall() == []


@pytest.mark.isolation("sequences", control=True)
def test_a_counting_column_would_tell_of_others(spoil: Callable[[str], None]) -> None:
    made = make_two_sites()
    spoil(
        "ALTER TABLE sites_asset ADD n bigserial; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO posx_app"
    )
    make_asset(made.there, "T1")
    make_asset(made.there, "T2")
    make_asset(made.here, "SECOND")
    with site_scope(made.here.id):
        assert max(_ask("SELECT n FROM sites_asset"))[0] == 5  # its own are two


@pytest.mark.isolation("LISTEN/NOTIFY")
def test_nothing_of_ours_notifies(admin_connection: Any) -> None:
    from tests.isolation.side_doors.source import product_strings

    spoken = [
        where for where, text in product_strings() if {"NOTIFY", "LISTEN", "pg_notify"} & set(text.split())
    ]
    assert spoken == []
    with admin_connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosrc ~* 'notify'"
        )
        assert cursor.fetchall() == []


@pytest.mark.isolation("LISTEN/NOTIFY")
def test_writing_rows_announces_nothing(sites: TwoSites, other_session: Any) -> None:
    other_session.execute("LISTEN posx; LISTEN sites_asset; LISTEN django")
    other_session.connection.commit()
    make_asset(sites.there, "NEW")
    other_session.execute("SELECT 1")
    other_session.connection.poll()
    assert other_session.connection.notifies == []


@pytest.mark.isolation("LISTEN/NOTIFY", control=True)
def test_a_notification_would_reach_every_session(sites: TwoSites, other_session: Any) -> None:
    """Negative control: PostgreSQL cannot refuse it to a login, so nothing of ours may use it."""
    other_session.execute("LISTEN posx")
    other_session.connection.commit()
    with site_scope(sites.there.id), connection.cursor() as cursor:
        cursor.execute("NOTIFY posx, 'of B'")
    other_session.execute("SELECT 1")
    other_session.connection.poll()
    assert [notice.payload for notice in other_session.connection.notifies] == ["of B"]


@pytest.mark.isolation("advisory locks", control=True)
def test_a_key_would_be_seen_by_every_session(sites: TwoSites, other_session: Any) -> None:
    with site_scope(sites.there.id), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(4711)")
        other_session.execute("SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711")
        assert other_session.fetchall() == [(4711,)]


@pytest.mark.isolation("advisory locks")
def test_only_releases_take_advisory_locks(admin_connection: Any) -> None:
    from tests.isolation.side_doors.source import product_strings

    users = {
        where.partition(":")[0] for where, text in product_strings() if "advisory" in text and "(" in text
    }
    assert users == {"apps/sites/provision.py"}  # one constant key, on a connection that no request uses
    with admin_connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosrc ~* 'advisory'"
        )
        assert cursor.fetchall() == []


@pytest.mark.isolation("advisory locks")
def test_the_apps_sessions_hold_none(sites: TwoSites) -> None:
    with in_site(sites.here):
        make_asset(sites.here, "NEW")
        held = _ask("SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
    assert held == []


@pytest.mark.isolation("temp tables")
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMP TABLE kept AS SELECT * FROM sites_asset",
        "SELECT * INTO TEMP kept FROM sites_asset",
        "CREATE TEMP VIEW kept AS SELECT * FROM sites_asset",
        "CREATE TEMP SEQUENCE kept",
        "CREATE FUNCTION pg_temp.kept() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE kept (x int)",
        "CREATE VIEW kept AS SELECT * FROM sites_asset",
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM sites_asset",
        "CREATE SCHEMA kept",
    ],
)
def test_nothing_can_be_kept_in_the_database(sites: TwoSites, statement: str) -> None:
    refused = pytest.raises(DatabaseError, match="permission denied")
    with refused, site_scope(sites.here.id), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.isolation("temp tables")
def test_an_iterator_leaves_no_cursor_behind(sites: TwoSites) -> None:
    with site_scope(sites.here.id):
        rows = Asset.objects.iterator(chunk_size=1)
        next(rows)
        assert [hold for (hold,) in _ask("SELECT is_holdable FROM pg_cursors")] == [False]
        rows.close()  # type: ignore[attr-defined]
    assert _ask("SELECT name FROM pg_cursors") == []


@pytest.mark.isolation("temp tables", control=True)
def test_with_the_right_to_it_a_temporary_table_carries_rows_over(spoil: Callable[[str], None]) -> None:
    made = make_two_sites()
    spoil(f'GRANT TEMPORARY ON DATABASE "{connection.settings_dict["NAME"]}" TO posx_app')
    with site_scope(made.there.id), connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE kept AS SELECT * FROM sites_asset")
    with site_scope(made.here.id):
        assert _ask("SELECT code FROM kept") == [("THEIRS",)]


def test_settings_name_the_login_that_this_is_about() -> None:
    assert settings.DATABASES["default"]["USER"] == "posx_app"
