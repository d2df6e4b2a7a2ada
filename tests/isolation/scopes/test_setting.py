"""The scope's value in PostgreSQL: bad ones, where it is set, and what a connection keeps of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.sites.models import Asset
from apps.sites.postgresql import base
from apps.sites.scope import (
    NestedSiteScope,
    SiteScopeMissing,
    active_site_id,
    bind_site,
    bound_site_id,
    site_scope,
)
from tests.factories import in_site, make_asset
from tests.isolation.conftest import TwoSites, make_two_sites

COUNT = "SELECT count(*) FROM public.sites_asset"
SET = "SELECT set_config('app.current_site_id', %s, {})"


def _count() -> int:
    with connection.cursor() as cursor:
        cursor.execute(COUNT)
        return int(cursor.fetchone()[0])


def _set(value: str | None, *, local: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SET.format(str(local).lower()), [value])


@pytest.mark.isolation("bad site")
@pytest.mark.parametrize("value", [None, "", "x", "null", "' OR true --", 0, b"", False], ids=repr)
def test_what_is_no_uuid_opens_no_scope(sites: TwoSites, value: Any) -> None:
    with pytest.raises(SiteScopeMissing), site_scope(value):
        pass


@pytest.mark.isolation("bad site")
@pytest.mark.parametrize("value", ["", "x", 0, False], ids=repr)
def test_what_is_no_uuid_does_not_fall_back_to_the_bound_site(sites: TwoSites, value: Any) -> None:
    with bind_site(sites.here.id), pytest.raises(SiteScopeMissing), site_scope(value):
        pass
    with pytest.raises(SiteScopeMissing), bind_site(value):
        pass


@pytest.mark.isolation("bad site")
@pytest.mark.parametrize("value", [UUID(int=0), UUID(int=2**128 - 1), uuid4()], ids=["nil", "max", "unknown"])
def test_a_site_that_does_not_exist_has_no_rows(sites: TwoSites, value: UUID) -> None:
    with site_scope(value):
        assert _count() == 0
        assert not Asset.objects.exists()


@pytest.mark.isolation("bad site")
@pytest.mark.parametrize("value", [None, "", "x", "%", "*", "{00000000", "NA"], ids=repr)
def test_the_database_answers_no_row_for_a_bad_value(sites: TwoSites, value: str | None) -> None:
    with pytest.raises((SiteScopeMissing, DatabaseError)), transaction.atomic():
        _set(value, local=True)
        _count()


@pytest.mark.isolation("outside a transaction")
def test_a_value_set_outside_a_transaction_is_gone_at_once(sites: TwoSites) -> None:
    _set(str(sites.there.id), local=True)
    with pytest.raises(SiteScopeMissing):
        _count()


@pytest.mark.isolation("outside a transaction")
def test_a_value_of_an_earlier_transaction_is_gone(sites: TwoSites) -> None:
    with transaction.atomic():
        _set(str(sites.there.id), local=True)
    with pytest.raises(SiteScopeMissing), transaction.atomic():
        _count()


@pytest.mark.isolation("outside a transaction")
def test_a_transaction_without_a_scope_shows_the_orm_nothing(sites: TwoSites) -> None:
    with pytest.raises(SiteScopeMissing), transaction.atomic():
        list(Asset.objects.all())


@pytest.mark.isolation("outside a transaction")
def test_a_session_value_does_not_outlive_a_scope_of_another_site(sites: TwoSites) -> None:
    """What nobody here does: even a value that was set for the whole session loses to the scope's."""
    try:
        _set(str(sites.there.id), local=False)
        with site_scope(sites.here.id):
            assert [asset.code for asset in Asset.objects.all()] == ["MINE"]
        with pytest.raises(SiteScopeMissing):
            list(Asset.objects.all())
    finally:
        connection.close()


@pytest.mark.isolation("pooled connection")
def test_one_connection_serves_one_site_after_the_other(sites: TwoSites) -> None:
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid
    for _ in range(3):
        for site, code in ((sites.here, "MINE"), (sites.there, "THEIRS")):
            with site_scope(site.id):
                assert [asset.code for asset in Asset.objects.all()] == [code]
            with pytest.raises(SiteScopeMissing):
                _count()
    assert connection.connection.info.backend_pid == backend


@pytest.mark.isolation("pooled connection")
def test_a_connection_is_clean_after_a_scope_that_failed(sites: TwoSites) -> None:
    with pytest.raises(ZeroDivisionError), site_scope(sites.there.id):
        _ = 1 / 0
    with pytest.raises(DatabaseError), site_scope(sites.there.id), connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")
    with pytest.raises(SiteScopeMissing):
        _count()
    with site_scope(sites.here.id):
        assert _count() == 1


@pytest.mark.isolation("pooled connection")
@pytest.mark.parametrize("ask", [active_site_id, bound_site_id], ids=["scope", "binding"])
def test_a_thread_inherits_neither_scope_nor_binding(sites: TwoSites, ask: Callable[[], Any]) -> None:
    seen: list[Any] = []
    with bind_site(sites.here.id), site_scope():
        thread = threading.Thread(target=lambda: seen.append(ask()))
        thread.start()
        thread.join(timeout=10)
    assert seen == [None]


@pytest.mark.isolation("pooled connection")
def test_rows_asked_for_by_a_thread_raise(sites: TwoSites) -> None:
    seen: list[BaseException] = []

    def ask() -> None:
        try:
            list(Asset.objects.all())
        except SiteScopeMissing as error:
            seen.append(error)
        finally:
            connection.close()

    with site_scope(sites.here.id):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(timeout=10)
    assert len(seen) == 1


@pytest.mark.isolation("nested scope")
def test_a_refused_scope_leaves_the_outer_one_as_it_was(sites: TwoSites) -> None:
    with site_scope(sites.here.id):
        with pytest.raises(NestedSiteScope), site_scope(sites.there.id):
            pass
        assert active_site_id() == sites.here.id
        assert [asset.code for asset in Asset.objects.all()] == ["MINE"]
        assert _count() == 1


@pytest.mark.isolation("nested scope")
def test_a_binding_is_restored_after_each_refusal(sites: TwoSites) -> None:
    with bind_site(sites.here.id):
        with pytest.raises(NestedSiteScope), bind_site(sites.there.id):
            pass
        with pytest.raises(RuntimeError, match="inside"), bind_site(sites.here.id), site_scope():
            raise RuntimeError("inside")
        assert bound_site_id() == sites.here.id
    assert bound_site_id() is None


@pytest.mark.isolation("outside a transaction", control=True)
@pytest.mark.isolation("pooled connection", control=True)
def test_a_value_set_for_the_whole_session_would_serve_whoever_comes_next(sites: TwoSites) -> None:
    """Negative control: transaction-local is what keeps a pooled connection clean."""
    try:
        _set(str(sites.there.id), local=False)
        assert _count() == 1
    finally:
        connection.close()


@pytest.mark.isolation("bad site", control=True)
def test_a_policy_that_forgives_a_missing_site_answers_nothing_in_silence(
    spoil: Callable[[str], None],
) -> None:
    """Negative control: without `true` in current_setting a bad value raises; with it nobody would notice."""
    make_two_sites()
    spoil(
        "ALTER POLICY asset_site_policy ON sites_asset USING "
        "(site_id = (SELECT nullif(current_setting('app.current_site_id', true), '')::uuid))"
    )
    assert _count() == 0


@pytest.mark.isolation("rollback and savepoint", control=True)
@pytest.mark.isolation("nested scope", control=True)
def test_without_the_refusal_the_inner_site_stays_after_its_savepoint(sites: TwoSites) -> None:
    """Negative control: a savepoint's release keeps the inner setting, so rows of B answer A's code."""
    with site_scope(sites.here.id):
        with transaction.atomic():
            _set(str(sites.there.id), local=True)
        assert [asset.code for asset in Asset.objects.all()] == ["THEIRS"]


@pytest.mark.isolation("rollback and savepoint")
def test_a_savepoint_that_is_rolled_back_keeps_the_scope(sites: TwoSites) -> None:
    with in_site(sites.here):
        with pytest.raises(IntegrityError), transaction.atomic():
            make_asset(sites.here, "MINE")
        assert active_site_id() == sites.here.id
        assert [asset.code for asset in Asset.objects.all()] == ["MINE"]


@pytest.mark.isolation("rollback and savepoint")
def test_many_savepoints_keep_the_scope(sites: TwoSites) -> None:
    with site_scope(sites.here.id):
        for _ in range(5):
            with pytest.raises(ZeroDivisionError), site_scope(), site_scope(sites.here.id):
                _ = 1 / 0
            assert _count() == 1


@pytest.mark.isolation("rollback and savepoint")
def test_a_transaction_marked_for_rollback_shows_nothing_afterwards(sites: TwoSites) -> None:
    with site_scope(sites.here.id):
        transaction.set_rollback(True)
    with pytest.raises(SiteScopeMissing):
        _count()


@pytest.mark.isolation("rollback and savepoint")
def test_a_lost_connection_ends_the_scope(sites: TwoSites, admin_connection: Any) -> None:
    with pytest.raises(DatabaseError), site_scope(sites.here.id):
        with admin_connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
        _count()
    assert active_site_id() is None
    connection.close()
    with site_scope(sites.there.id):
        assert [asset.code for asset in Asset.objects.all()] == ["THEIRS"]


@pytest.mark.isolation("no scope")
@pytest.mark.parametrize(
    "statement",
    [
        COUNT,
        "SELECT EXISTS (SELECT FROM public.sites_asset)",
        "WITH a AS (SELECT id FROM public.sites_asset) SELECT count(*) FROM a",
        "UPDATE public.sites_asset SET name = 'x'",
        "SELECT (SELECT max(code) FROM public.sites_asset)",
        "SELECT s.id FROM public.sites_site s JOIN public.sites_asset a ON a.site_id = s.id",
        "INSERT INTO public.sites_asset SELECT * FROM public.sites_asset",
        "SELECT id FROM public.sites_asset FOR UPDATE",
        "TABLE public.sites_asset",
        "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM public.sites_asset",
    ],
)
def test_raw_statements_raise_without_a_scope(sites: TwoSites, statement: str) -> None:
    with pytest.raises(SiteScopeMissing), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.isolation("no scope", control=True)
def test_without_the_orm_guard_an_empty_table_answers_nothing(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: row security alone does not raise where there is no row to judge."""
    monkeypatch.setattr("apps.sites.postgresql.compiler.site_tables", frozenset)
    with connection.cursor() as cursor:
        cursor.execute(
            "SET enable_indexscan = off; SET enable_bitmapscan = off"
        )  # the planner's choice, forced
    assert list(Asset.objects.all()) == []
    connection.close()


@pytest.mark.isolation("no scope", control=True)
def test_without_row_security_a_forgotten_scope_answers_rows(spoil: Callable[[str], None]) -> None:
    """Negative control of the policy."""
    made = make_two_sites()
    with site_scope(made.here.id):
        assert _count() == 1
    spoil("ALTER TABLE sites_asset DISABLE ROW LEVEL SECURITY")
    assert _count() == 2


@pytest.mark.isolation("role switching", control=True)
def test_without_the_login_guard_a_superuser_sees_every_site(
    sites: TwoSites, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: FORCE does not bind a superuser, so only the refusal to start does."""
    from django.conf import settings

    monkeypatch.setattr(base, "refuse_unsafe_login", lambda *_: None)
    admin, kept = settings.DATABASE_ADMIN, connection.settings_dict
    connection.close()
    connection.settings_dict = {**kept, "USER": admin["USER"], "PASSWORD": admin["PASSWORD"]}
    try:
        with site_scope(sites.here.id):
            assert _count() == 2
    finally:
        connection.close()
        connection.settings_dict = kept
