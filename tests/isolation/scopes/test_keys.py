"""Keys: what points at a row of B, what equals one, and what would take one over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, ProgrammingError, connection, models, transaction
from django.db.models import ProtectedError
from drf_spectacular.generators import SchemaGenerator
from psycopg2.errors import ForeignKeyViolation

from apps.accounts.models import Wallet
from apps.sites.models import Asset
from apps.sites.scope import SiteScopeMissing, site_scope
from tests.admin.rows import OUR_MODELS, fill_site
from tests.factories import in_site, make_address, make_identity, make_member, make_wallet
from tests.isolation.conftest import TwoSites, make_two_sites

SITE_MODELS = [model for model in OUR_MODELS if getattr(model, "is_site_owned", False)]
REFERENCES = [
    (model, field.name)
    for model in SITE_MODELS
    for field in model._meta.local_fields
    if isinstance(field.related_model, type) and getattr(field.related_model, "is_site_owned", False)
]


def _asset(**fields: Any) -> Asset:
    plain = {"name": "x", "decimals": 18, "chain_id": 1, "custody_asset_id": "x", "custody_vault_id": "0"}
    return Asset(**plain | fields)


@pytest.mark.isolation("foreign keys")
@pytest.mark.parametrize(("model", "field"), REFERENCES, ids=lambda value: getattr(value, "__name__", value))
def test_no_reference_can_be_turned_to_another_site(
    database: None, admin_connection: Any, model: type[models.Model], field: str
) -> None:
    """As the superuser, whom no policy binds: the key alone has to refuse it."""
    here, there = fill_site("NA"), fill_site("ASIA")
    relation: Any = model._meta.get_field(field)
    table, target = model._meta.db_table, relation.related_model._meta.db_table
    with admin_connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {target} WHERE site_id = %s LIMIT 1", [there.id])
        (stranger,) = cursor.fetchone()
        cursor.execute("BEGIN")
        try:
            _leave_only_keys(cursor, table)
            with pytest.raises(ForeignKeyViolation):
                cursor.execute(
                    f"UPDATE {table} SET {relation.column} = %s WHERE id = "
                    f"(SELECT id FROM {table} WHERE site_id = %s LIMIT 1)",
                    [stranger, here.id],
                )
        finally:
            cursor.execute("ROLLBACK")


def _leave_only_keys(cursor: Any, table: str) -> None:
    """Switch off states, frozen columns and checks, which would refuse the change before its key is looked at."""
    cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    cursor.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", [table]
    )
    for (name,) in cursor.fetchall():
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.isolation("foreign keys")
def test_a_delete_in_one_site_takes_nothing_of_the_other(sites: TwoSites) -> None:
    kept = make_wallet(make_member(sites.there))
    member = make_member(sites.here)
    make_wallet(member)
    with pytest.raises((ProtectedError, DatabaseError)), in_site(sites.here):
        member.delete()
    with site_scope(sites.there.id):
        assert Wallet.objects.filter(pk=kept.pk).exists()


@pytest.mark.isolation("foreign keys", control=True)
def test_without_the_composite_key_a_row_points_at_another_site(spoil: Callable[[str], None]) -> None:
    """Negative control: a plain foreign key is checked without row security."""
    made = make_two_sites()
    stranger = make_member(made.there)
    spoil(
        "ALTER TABLE accounts_wallet DROP CONSTRAINT wallet_member_site_fk;"
        "ALTER TABLE accounts_wallet ADD FOREIGN KEY (member_id) REFERENCES accounts_membership (id)"
    )
    with in_site(made.here):
        Wallet.objects.create(member_id=stranger.id, address=make_address())


@pytest.mark.isolation("full_clean")
def test_full_clean_refuses_a_foreign_pk_as_if_it_did_not_exist(sites: TwoSites) -> None:
    stranger = make_member(sites.there)

    def said(member_id: Any) -> str:
        with pytest.raises(ValidationError) as refused, site_scope(sites.here.id):
            Wallet(member_id=member_id, address=make_address()).full_clean()
        return str(refused.value.message_dict).replace(str(member_id), "ID")

    assert said(stranger.id) == said(uuid4())


@pytest.mark.isolation("full_clean")
def test_full_clean_raises_without_a_scope(sites: TwoSites) -> None:
    with pytest.raises(SiteScopeMissing):
        _asset(site_id=sites.here.id, code="NEW").full_clean()


@pytest.mark.isolation("full_clean")
def test_full_clean_does_not_tell_of_anothers_unique_value(sites: TwoSites) -> None:
    with site_scope(sites.here.id):
        _asset(code="THEIRS").full_clean()
        with pytest.raises(ValidationError):
            _asset(code="MINE").full_clean()


@pytest.mark.isolation("full_clean", control=True)
def test_without_the_policy_full_clean_accepts_a_foreign_pk(spoil: Callable[[str], None]) -> None:
    made = make_two_sites()
    stranger = make_member(made.there)
    spoil("ALTER TABLE accounts_membership DISABLE ROW LEVEL SECURITY")
    with site_scope(made.here.id):
        Wallet(member_id=stranger.id, address=make_address()).full_clean()


@pytest.mark.isolation("unique oracle")
def test_a_unique_value_of_another_site_is_free(sites: TwoSites) -> None:
    with in_site(sites.here):
        _asset(code="THEIRS").save()
    person = make_identity()
    make_member(sites.there, identity=person)
    make_member(sites.here, identity=person)


@pytest.mark.isolation("unique oracle")
def test_every_unique_key_leads_with_the_site(admin_connection: Any) -> None:
    with admin_connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.relname, x.relname FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid "
            "JOIN pg_class x ON x.oid = i.indexrelid "
            "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0] "
            "WHERE i.indisunique AND NOT i.indisprimary AND t.relname = ANY (%s) AND a.attname <> 'site_id'",
            [[model._meta.db_table for model in SITE_MODELS]],
        )
        assert cursor.fetchall() == []


@pytest.mark.isolation("unique oracle")
def test_a_primary_key_of_another_site_tells_no_more_than_was_sent(sites: TwoSites) -> None:
    """The one global key: 122 random or time-ordered bits that no endpoint accepts from outside."""
    with pytest.raises(IntegrityError) as refused, in_site(sites.here):
        _asset(id=sites.theirs.id, code="X").save(force_insert=True)
    for secret in (str(sites.there.id), "THEIRS", "custody"):
        assert secret not in str(refused.value)


@pytest.mark.isolation("unique oracle")
def test_no_endpoint_takes_a_primary_key_or_a_site_in_its_body() -> None:
    generator: Any = SchemaGenerator
    schema = generator().get_schema(request=None, public=True)
    bodies = {
        name: body
        for path in schema["paths"].values()
        for operation in path.values()
        for media in operation.get("requestBody", {}).get("content", {}).values()
        if (name := media["schema"].get("$ref", "").rpartition("/")[2])
        for body in [schema["components"]["schemas"][name]]
    }
    assert bodies
    named = {
        name: {"id", "site", "site_id"} & body.get("properties", {}).keys() for name, body in bodies.items()
    }
    assert {name: keys for name, keys in named.items() if keys} == {}


@pytest.mark.isolation("unique oracle", control=True)
def test_a_global_unique_key_is_an_oracle(spoil: Callable[[str], None]) -> None:
    made = make_two_sites()
    spoil("CREATE UNIQUE INDEX global ON sites_asset (code)")
    with pytest.raises(IntegrityError, match="duplicate key value"), in_site(made.here):
        _asset(code="THEIRS").save()


def _theirs(sites: TwoSites) -> tuple[Any, ...]:
    with site_scope(sites.there.id):
        return Asset.objects.values_list("id", "code", "name", "decimals", "site_id").get()


@pytest.mark.isolation("upserts")
@pytest.mark.parametrize("fields", [["site", "code"], ["site", "id"]], ids=str)
def test_an_upsert_on_a_key_of_the_site_makes_a_row_of_its_own(sites: TwoSites, fields: list[str]) -> None:
    before = _theirs(sites)
    with in_site(sites.here):
        Asset.objects.bulk_create(
            [_asset(code="THEIRS", name="taken over")],
            update_conflicts=True,
            unique_fields=fields,
            update_fields=["name"],
        )
        assert Asset.objects.filter(code="THEIRS", name="taken over").count() == 1
    assert _theirs(sites) == before


@pytest.mark.isolation("upserts")
def test_ignored_conflicts_with_anothers_values_are_none(sites: TwoSites) -> None:
    before = _theirs(sites)
    with in_site(sites.here):
        Asset.objects.bulk_create([_asset(code="THEIRS")], ignore_conflicts=True)
        assert Asset.objects.filter(code="THEIRS").count() == 1
    assert _theirs(sites) == before


@pytest.mark.isolation("upserts")
def test_an_upsert_on_anothers_primary_key_is_refused(sites: TwoSites) -> None:
    before = _theirs(sites)
    with pytest.raises((ProgrammingError, IntegrityError)) as refused, in_site(sites.here):
        Asset.objects.bulk_create(
            [_asset(id=sites.theirs.id, code="X", name="taken over")],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["name"],
        )
    assert str(sites.there.id) not in str(refused.value)
    assert _theirs(sites) == before


@pytest.mark.isolation("upserts")
def test_an_ignored_conflict_on_anothers_primary_key_changes_nothing(sites: TwoSites) -> None:
    """The row is lost in silence; ids are made here (apps.core.ids) and never taken from outside."""
    before = _theirs(sites)
    with in_site(sites.here):
        Asset.objects.bulk_create([_asset(id=sites.theirs.id, code="X")], ignore_conflicts=True)
        assert not Asset.objects.filter(code="X").exists()
    assert _theirs(sites) == before


@pytest.mark.isolation("upserts")
@pytest.mark.parametrize("method", ["get_or_create", "update_or_create"])
def test_get_or_create_finds_only_its_own(sites: TwoSites, method: str) -> None:
    before = _theirs(sites)
    rest = {"name": "x", "decimals": 6, "chain_id": 1, "custody_asset_id": "x", "custody_vault_id": "0"}
    with in_site(sites.here):
        row, is_new = getattr(Asset.objects, method)(code="THEIRS", defaults=rest)
        assert (is_new, row.site_id) == (True, sites.here.id)
    assert _theirs(sites) == before


@pytest.mark.isolation("upserts", control=True)
def test_without_the_policy_an_upsert_takes_a_row_over(spoil: Callable[[str], None]) -> None:
    made = make_two_sites()
    spoil("ALTER TABLE sites_asset DISABLE ROW LEVEL SECURITY")
    with in_site(made.here):
        Asset.objects.bulk_create(
            [_asset(id=made.theirs.id, code="X", name="taken over")],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["name"],
        )
        assert Asset.objects.get(pk=made.theirs.id).name == "taken over"


@pytest.mark.isolation("moving a row")
@pytest.mark.parametrize("model", SITE_MODELS, ids=lambda model: model._meta.label)
def test_no_row_can_be_moved(database: None, model: Any) -> None:
    here, there = fill_site("NA"), fill_site("ASIA")
    with pytest.raises(DatabaseError), in_site(here), transaction.atomic():
        assert model.objects.exists()
        model.objects.update(site_id=there.id)
    with site_scope(here.id):
        assert model.objects.exists()


@pytest.mark.isolation("moving a row")
def test_a_row_cannot_be_fetched_from_another_site(sites: TwoSites) -> None:
    with in_site(sites.here), connection.cursor() as cursor:
        cursor.execute("UPDATE sites_asset SET site_id = %s WHERE id = %s", [sites.here.id, sites.theirs.id])
        assert cursor.rowcount == 0


@pytest.mark.isolation("moving a row", control=True)
def test_without_the_check_a_row_moves(spoil: Callable[[str], None]) -> None:
    made = make_two_sites()
    # Two guards: the policy's check, and the trigger that freezes the column.
    spoil("ALTER POLICY asset_site_policy ON sites_asset WITH CHECK (true)")
    spoil("ALTER TABLE sites_asset DISABLE TRIGGER USER")
    # Without WHERE and RETURNING: those would ask the reading policy of the new row as well.
    with in_site(made.here), connection.cursor() as cursor:
        cursor.execute("UPDATE sites_asset SET site_id = %s", [made.there.id])
        assert cursor.rowcount == 1


def test_there_are_references_to_try() -> None:
    assert len(REFERENCES) > 10
