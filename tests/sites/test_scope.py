"""A scope shows one site's rows, and nothing at all is reachable without one."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from apps.accounts.models import Membership, Wallet
from apps.core.context import acting_as
from apps.idempotency.models import IdempotencyKey
from apps.sites.models import Asset, Site
from apps.sites.scope import (
    CrossedSiteScope,
    NestedSiteScope,
    SiteScopeMissing,
    bind_site,
    current_site_id,
    in_scope,
    site_scope,
)
from tests.factories import in_site, make_asset, make_member, make_site

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.isolation("no scope")
def test_orm_raises_without_a_scope_on_an_empty_table() -> None:
    # PostgreSQL would answer "no rows": a scan of nothing evaluates no policy.
    with pytest.raises(SiteScopeMissing):
        list(Asset.objects.all())


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Asset.objects.count(),
        lambda: Asset.objects.exists(),
        lambda: Asset.objects.filter(code="X").update(name="y"),
        lambda: Asset.objects.filter(code="X").delete(),
        lambda: Asset.objects.bulk_create([Asset(site_id=uuid4(), code="X", decimals=1, chain_id=1)]),
        lambda: list(Site.objects.filter(Exists(Asset.objects.filter(site=OuterRef("pk"))))),
        lambda: Asset().full_clean(),
    ],
    ids=["count", "exists", "update", "delete", "bulk_create", "subquery", "default"],
)
@pytest.mark.isolation("no scope")
def test_every_kind_of_statement_raises_without_a_scope(ask: object) -> None:
    with pytest.raises(SiteScopeMissing):
        ask()  # type: ignore[operator]


@pytest.mark.isolation("no scope")
def test_raw_sql_raises_the_named_error_on_a_fresh_connection() -> None:
    make_asset(make_site())
    connection.close()
    with pytest.raises(SiteScopeMissing), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM sites_asset")


@pytest.mark.isolation("pooled connection")
def test_raw_sql_raises_the_named_error_on_a_connection_that_served_a_site() -> None:
    make_asset(make_site())  # leaves the setting as '' on this very connection
    with pytest.raises(SiteScopeMissing), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM sites_asset")


def test_one_site_does_not_see_the_other() -> None:
    here, there = make_site("NA"), make_site("ASIA")
    make_asset(here, "MINE")
    make_asset(there, "THEIRS")
    with site_scope(here.id):
        assert [asset.code for asset in Asset.objects.all()] == ["MINE"]


def test_raw_sql_cannot_see_the_other_site_either() -> None:
    here, there = make_site("NA"), make_site("ASIA")
    make_asset(there)
    with site_scope(here.id), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sites_asset")
        assert cursor.fetchone() == (0,)


def test_a_row_of_another_site_cannot_be_written() -> None:
    here, there = make_site("NA"), make_site("ASIA")
    with pytest.raises(ProgrammingError, match="row-level security"), in_site(here):
        Asset.objects.create(
            site=there,
            code="X",
            name="x",
            decimals=18,
            chain_id=1,
            custody_asset_id="x",
            custody_vault_id="0",
        )


@pytest.mark.isolation("moving a row")
def test_a_row_cannot_be_moved_to_another_site() -> None:
    here, there = make_site("NA"), make_site("ASIA")
    with in_site(here):
        # A table whose site no Frozen rule holds: the policy alone must refuse.
        made = IdempotencyKey.objects.create(
            caller="c", operation="o", key="k", body_sha256="0" * 64, lease_until=timezone.now()
        )
    with pytest.raises(ProgrammingError, match="row-level security"), in_site(here):
        IdempotencyKey.objects.filter(pk=made.pk).update(site=there)


def test_an_asset_cannot_change_what_its_amounts_mean() -> None:
    asset = make_asset(make_site())
    with pytest.raises(IntegrityError, match="cannot change"), in_site(asset.site):
        Asset.objects.filter(pk=asset.pk).update(decimals=6)


@pytest.mark.isolation("foreign keys")
def test_a_row_cannot_point_into_another_site() -> None:
    here, there = make_site("NA"), make_site("ASIA")
    stranger = make_member(there)
    with pytest.raises(IntegrityError, match="wallet_member_site_fk"), in_site(here):
        Wallet.objects.create(member_id=stranger.id, address="0x" + "ab" * 20)


@pytest.mark.isolation("nested scope")
def test_a_scope_of_another_site_is_refused_inside() -> None:
    here, there = make_site("NA"), make_site("ASIA")
    with site_scope(here.id), pytest.raises(NestedSiteScope), site_scope(there.id):
        pass


@pytest.mark.isolation("nested scope")
def test_a_binding_to_another_site_is_refused_inside() -> None:
    here, there = make_site("NA"), make_site("ASIA")
    with bind_site(here.id), pytest.raises(NestedSiteScope), site_scope(there.id):
        pass


@pytest.mark.isolation("rollback and savepoint")
def test_a_nested_scope_of_the_same_site_is_a_savepoint() -> None:
    site = make_site()
    with in_site(site):
        make_asset(site, "KEPT")
        with pytest.raises(RuntimeError, match="undo"), site_scope():
            make_asset(site, "UNDONE")
            raise RuntimeError("undo")
        assert [asset.code for asset in Asset.objects.all()] == ["KEPT"]


@pytest.mark.isolation("rollback and savepoint")
def test_the_scope_is_gone_after_an_error() -> None:
    site = make_site()
    with pytest.raises(ZeroDivisionError), site_scope(site.id):
        _ = 1 / 0
    assert not in_scope()
    with pytest.raises(SiteScopeMissing):
        current_site_id()


@pytest.mark.isolation("outside a transaction")
def test_the_outermost_scope_refuses_to_sit_in_another_transaction() -> None:
    site = make_site()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic(), site_scope(site.id):
        pass


@pytest.mark.isolation("on_commit")
def test_a_callback_after_commit_has_no_scope() -> None:
    site = make_site()
    seen: list[bool] = []
    with site_scope(site.id):
        transaction.on_commit(lambda: seen.append(in_scope()))
    assert seen == [False]


@pytest.mark.isolation("lazy work")
def test_a_lazy_queryset_of_one_site_is_refused_in_the_next() -> None:
    here, there = make_site("NA"), make_site("ASIA")
    make_asset(there)
    with site_scope(here.id):
        lazy = Asset.objects.filter(site_id=here.id)
    with site_scope(there.id), pytest.raises(CrossedSiteScope):
        list(lazy)


def test_an_actor_bound_too_late_cannot_write() -> None:
    site = make_site()
    member = make_member(site)
    with (
        pytest.raises(IntegrityError, match="no actor is set"),
        site_scope(site.id),
        acting_as("user", "late"),
    ):
        Membership.objects.filter(pk=member.pk).update(role="auditor")
