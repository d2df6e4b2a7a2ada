"""due_sites answers across sites, and gives away nothing but the site and a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, connection
from django.utils import timezone

from apps.core.ids import uuid7
from apps.idempotency.models import IdempotencyKey
from apps.sites.due import due_sites
from apps.sites.models import Site
from apps.sites.scope import current_site_id, site_scope
from apps.sites.tasks import sweep_sites
from tests.factories import in_site, make_site

pytestmark = pytest.mark.usefixtures("database")


def _key(site: Site, age_hours: int) -> None:
    with in_site(site):
        made = IdempotencyKey.objects.create(
            caller="c", operation="o", key=str(uuid7()), body_sha256="0" * 64, lease_until=timezone.now()
        )
        IdempotencyKey.objects.filter(pk=made.pk).update(
            created_at=timezone.now() - timedelta(hours=age_hours)
        )


def test_sites_come_oldest_first_and_bounded() -> None:
    young, old, empty = make_site("YOUNG"), make_site("OLD"), make_site("EMPTY")
    _key(young, 1)
    _key(old, 5)
    _key(old, 2)
    assert [due.site_id for due in due_sites("idempotency", 10)] == [old.id, young.id]
    assert [due.site_id for due in due_sites("idempotency", 1)] == [old.id]
    assert empty.id not in {due.site_id for due in due_sites("idempotency", 10)}


def test_an_unknown_queue_is_refused() -> None:
    with pytest.raises(DatabaseError):
        due_sites("nothing_like_it", 1)
    with pytest.raises(ValueError, match="not a queue"):
        due_sites("x(1); --", 1)


@pytest.mark.isolation("views and definers")
def test_the_lookup_role_reads_only_the_columns_it_needs(admin_connection: Any) -> None:
    with admin_connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_column_privilege('posx_lookup', 'idempotency_idempotencykey', 'created_at', 'SELECT'),"
            " has_column_privilege('posx_lookup', 'idempotency_idempotencykey', 'response_body', 'SELECT'),"
            " has_column_privilege('posx_lookup', 'accounts_membership', 'created_at', 'SELECT')"
        )
        assert cursor.fetchone() == (True, False, False)


@pytest.mark.isolation("views and definers")
def test_lookup_functions_are_owned_by_the_lookup_role_with_a_fixed_search_path(
    admin_connection: Any,
) -> None:
    with admin_connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, pg_get_userbyid(proowner), proconfig FROM pg_proc "
            "WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        )
        rows = cursor.fetchall()
    assert {name for name, _owner, _config in rows} >= {
        "due_sites_unlock",
        "due_sites_orders",
        "member_sites",
    }
    assert {(owner, tuple(config)) for _name, owner, config in rows} == {
        ("posx_lookup", ("search_path=pg_catalog, pg_temp",))
    }


@pytest.mark.isolation("tasks")
def test_a_sweep_works_bound_to_each_site_and_survives_one_that_fails() -> None:
    first, second = make_site("FIRST"), make_site("SECOND")
    _key(first, 9)
    _key(second, 1)
    seen = []

    def work() -> int:
        with site_scope():
            seen.append(current_site_id())
        if seen[-1] == first.id:
            raise RuntimeError("this site is ill")
        return 3

    assert sweep_sites("idempotency", work) == (3, False)
    assert seen == [first.id, second.id]


@pytest.mark.isolation("tasks")
def test_nothing_of_a_site_is_open_to_the_asker() -> None:
    _key(make_site(), 1)
    due_sites("idempotency", 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('app.current_site_id', true), '')")
        assert cursor.fetchone() == ("",)


def test_a_sweep_ends_at_the_soft_time_limit() -> None:
    _key(make_site("FIRST"), 9)
    _key(make_site("SECOND"), 1)
    tried = []

    def work() -> int:
        tried.append(1)
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        sweep_sites("idempotency", work)
    assert tried == [1]
