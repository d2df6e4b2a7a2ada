"""Statements and objects that read past a policy, or learn of rows before it has judged them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from django.db import DatabaseError, connection

from apps.audit.models import AuditEvent
from apps.sites.models import Asset
from apps.sites.scope import site_scope
from tests.factories import in_site, make_asset, make_member, make_site
from tests.isolation.conftest import TwoSites, make_two_sites


def _ask(statement: str, values: Any = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


# B's row has decimals 18 and code THEIRS; on each of these it would raise or speak.
LEAKY = {
    "division by zero": "SELECT id FROM sites_asset WHERE 1 / (decimals - 18) > 0",
    "cast with its value": "SELECT id FROM sites_asset WHERE code::int > 0",
    "date": "SELECT id FROM sites_asset WHERE name::date IS NULL",
    "overflow": "SELECT id FROM sites_asset WHERE decimals * 2147483647 > 0",
    "regular expression": "SELECT id FROM sites_asset WHERE 'x' ~ repeat('(', length(code) - 1)",
    "jsonb": "SELECT id FROM sites_asset WHERE code::jsonb IS NULL",
    "set_config": "SELECT id FROM sites_asset WHERE set_config('x.seen', code, true) <> '1'",
    "order by": "SELECT id FROM sites_asset ORDER BY 1 / (decimals - 18)",
    "aggregate": "SELECT sum(1 / (decimals - 18)) FROM sites_asset",
    "join": "SELECT 1 FROM sites_asset a JOIN sites_site s ON s.id = a.site_id AND 1 / (a.decimals - 18) > 0",
    "sub-select": "SELECT 1 WHERE EXISTS (SELECT FROM sites_asset WHERE 1 / (decimals - 18) > 0)",
    "update": "UPDATE sites_asset SET name = name WHERE 1 / (decimals - 18) > 0 RETURNING id",
}


@pytest.fixture
def quiet(database: None) -> TwoSites:
    """A's own row raises nowhere."""
    here, there = make_site("NA"), make_site("ASIA")
    mine = make_asset(here, "1", decimals=0, name="2020-01-01")
    return TwoSites(here, there, mine, make_asset(there, "THEIRS", name="secret"))


@pytest.mark.isolation("leaky functions")
@pytest.mark.parametrize("statement", LEAKY.values(), ids=LEAKY.keys())
def test_a_leaky_operator_meets_no_row_of_another_site(quiet: TwoSites, statement: str) -> None:
    with in_site(quiet.here):
        _ask(statement)
        assert _ask("SELECT coalesce(current_setting('x.seen', true), '1')") in ([("1",)], [("",)])


@pytest.mark.isolation("leaky functions")
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE FUNCTION public.spy(text) RETURNS bool LANGUAGE sql COST 0.0001 AS 'SELECT true'",
        "CREATE OPERATOR public.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
        "CREATE OR REPLACE FUNCTION public.member_sites(person uuid) RETURNS TABLE (site_id uuid) LANGUAGE sql AS ''",
        "ALTER FUNCTION pg_catalog.int4div(int, int) LEAKPROOF",
        "CREATE EXTENSION dblink",
        "CREATE EXTENSION file_fdw",
    ],
)
def test_no_function_can_be_made_to_look(sites: TwoSites, statement: str) -> None:
    with (
        pytest.raises(DatabaseError, match=r"permission denied|must be|not available"),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.isolation("leaky functions")
def test_an_anonymous_block_sees_the_same_rows(sites: TwoSites) -> None:
    block = "DO $$ BEGIN IF (SELECT count(*) FROM sites_asset) <> 1 THEN RAISE 'seen'; END IF; END $$"
    with site_scope(sites.here.id), connection.cursor() as cursor:
        cursor.execute(block)


@pytest.mark.isolation("leaky functions", control=True)
def test_without_the_policy_the_operator_tells_of_the_row(spoil: Callable[[str], None]) -> None:
    made = make_two_sites()
    spoil("ALTER TABLE sites_asset DISABLE ROW LEVEL SECURITY")
    told = 'invalid input syntax for type integer: "THEIRS"'
    with pytest.raises(DatabaseError, match=told), site_scope(made.here.id):
        _ask("SELECT id FROM sites_asset WHERE CASE code WHEN 'MINE' THEN true ELSE code::int > 0 END")


@pytest.mark.isolation("views and definers")
def test_a_view_with_security_invoker_shows_one_site(spoil: Callable[[str], None]) -> None:
    made = make_two_sites()
    spoil(
        "CREATE VIEW seen WITH (security_invoker = true) AS SELECT code FROM sites_asset;"
        "GRANT SELECT ON seen TO posx_app"
    )
    with site_scope(made.here.id):
        assert _ask("SELECT * FROM seen") == [("MINE",)]


SPOILED = {
    "view of the superuser": "CREATE VIEW seen AS SELECT code FROM sites_asset",
    "materialised view": "CREATE MATERIALIZED VIEW seen AS SELECT code FROM sites_asset",
    "definer function": "CREATE FUNCTION look() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER"
    " AS 'SELECT code FROM sites_asset'; CREATE VIEW seen WITH (security_invoker) AS SELECT look()",
    "partition read directly": "CREATE TABLE parent (site_id uuid, code text) PARTITION BY LIST (site_id);"
    "CREATE TABLE seen PARTITION OF parent DEFAULT; ALTER TABLE parent ENABLE ROW LEVEL SECURITY;"
    "INSERT INTO parent SELECT site_id, code FROM sites_asset",
}


@pytest.mark.isolation("views and definers", control=True)
@pytest.mark.parametrize("made_by", SPOILED.values(), ids=SPOILED.keys())
def test_what_the_catalogue_guard_refuses_does_show_both_sites(
    spoil: Callable[[str], None], made_by: str
) -> None:
    from apps.sites.catalogue import catalogue_faults

    made = make_two_sites()
    spoil(f"{made_by}; GRANT SELECT ON seen TO posx_app")
    with site_scope(made.here.id):
        assert len(_ask("SELECT * FROM seen")) == 2
    with connection.cursor() as cursor:
        assert catalogue_faults(cursor) != []


@pytest.mark.isolation("views and definers")
def test_the_functions_that_look_across_sites_answer_no_row(sites: TwoSites) -> None:
    stranger = make_member(sites.there)
    with site_scope(sites.here.id):
        answered = _ask("SELECT * FROM member_sites(%s)", [stranger.identity_id])
        assert answered == [
            (sites.there.id, stranger.id, "buyer")
        ]  # ids and a role: docs/tenancy.md says why
        shapes = _ask(
            "SELECT DISTINCT pg_get_function_result(oid) FROM pg_proc "
            "WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        )
    assert {shape for (shape,) in shapes} == {
        "TABLE(site_id uuid, oldest_due_at timestamp with time zone)",
        "TABLE(site_id uuid, member_id uuid, role text)",
    }


@pytest.mark.isolation("COPY and TRUNCATE")
def test_copy_out_shows_one_site(sites: TwoSites) -> None:
    out = io.StringIO()
    with site_scope(sites.here.id), connection.cursor() as cursor:
        cursor.copy_expert("COPY sites_asset (code) TO STDOUT", out)
    assert out.getvalue() == "MINE\n"


@pytest.mark.isolation("COPY and TRUNCATE")
def test_copy_out_raises_without_a_scope(sites: TwoSites) -> None:
    with pytest.raises(psycopg2.Error), connection.cursor() as cursor:
        cursor.copy_expert("COPY sites_asset TO STDOUT", io.StringIO())


@pytest.mark.isolation("COPY and TRUNCATE")
def test_copy_in_is_refused(sites: TwoSites) -> None:
    refused = pytest.raises(psycopg2.Error, match="COPY FROM not supported with row-level security")
    with refused, site_scope(sites.here.id), connection.cursor() as cursor:
        cursor.copy_expert("COPY sites_asset (id) FROM STDIN", io.StringIO("x\n"))


@pytest.mark.isolation("COPY and TRUNCATE")
@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE sites_asset",
        "TRUNCATE sites_site CASCADE",
        "COPY sites_asset TO PROGRAM 'cat'",
        "COPY sites_asset FROM PROGRAM 'true'",
        "COPY sites_asset TO '/tmp/stolen'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
    ],
)
def test_statements_beside_rows_are_refused(sites: TwoSites, statement: str) -> None:
    refused = pytest.raises(DatabaseError, match=r"permission denied|must be|only roles")
    with refused, connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.isolation("COPY and TRUNCATE", control=True)
def test_with_the_right_truncate_takes_every_sites_rows(spoil: Callable[[str], None]) -> None:
    made = make_two_sites()
    spoil("GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO posx_app")
    with site_scope(made.here.id), connection.cursor() as cursor:
        cursor.execute("TRUNCATE sites_asset CASCADE")
    with site_scope(made.there.id):
        assert not Asset.objects.exists()


@pytest.mark.isolation("history")
def test_history_is_of_the_site_whose_row_changed(sites: TwoSites) -> None:
    mine, theirs = make_member(sites.here), make_member(sites.there)
    for site, own, other in ((sites.here, mine, theirs), (sites.there, theirs, mine)):
        with site_scope(site.id):
            rows = set(AuditEvent.objects.values_list("row_id", flat=True))
            assert own.id in rows
            assert other.id not in rows


@pytest.mark.isolation("history")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditevent SET site_id = %s",
        "DELETE FROM audit_auditevent",
        "INSERT INTO audit_auditevent SELECT gen_random_uuid(), at, actor_kind, actor_id, request_id, table_name,"
        " row_id, action, before, after, %s FROM audit_auditevent",
    ],
    ids=["update", "delete", "insert for another site"],
)
def test_history_is_neither_changed_nor_written_for_others(sites: TwoSites, statement: str) -> None:
    make_member(sites.here)
    with pytest.raises(DatabaseError), in_site(sites.here), connection.cursor() as cursor:
        cursor.execute(statement, [sites.there.id] if "%s" in statement else None)


@pytest.mark.isolation("history")
def test_history_raises_without_a_scope(sites: TwoSites) -> None:
    with pytest.raises(RuntimeError):
        list(AuditEvent.objects.all())


@pytest.mark.isolation("history", control=True)
def test_without_its_policy_history_shows_every_site(spoil: Callable[[str], None]) -> None:
    made = make_two_sites()
    stranger = make_member(made.there)
    spoil("ALTER TABLE audit_auditevent DISABLE ROW LEVEL SECURITY")
    with site_scope(made.here.id):
        assert AuditEvent.objects.filter(row_id=stranger.id).exists()
