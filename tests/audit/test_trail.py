"""Every change leaves a row of history, whoever made it and however; and history cannot be changed."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection

from apps.accounts.models import Membership
from apps.audit.models import AuditEvent
from apps.core.context import acting_as, bind_request_id
from apps.core.ids import uuid7
from apps.core.middleware import sane_request_id
from apps.sites.scope import site_scope
from tests.factories import in_site, make_member, make_site

pytestmark = pytest.mark.usefixtures("database")


def _events(site: Any, row_id: Any) -> list[AuditEvent]:
    with site_scope(site.id):
        return list(AuditEvent.objects.filter(row_id=row_id).order_by("id"))


def test_an_insert_and_an_update_leave_rows_with_who_and_what() -> None:
    site = make_site()
    member = make_member(site)
    with bind_request_id("req-1"), acting_as("user", "olga"), site_scope(site.id):
        Membership.objects.filter(pk=member.pk).update(role="operator")
    born, changed = _events(site, member.id)
    assert (born.action, born.before) == ("insert", None)
    assert (changed.actor_kind, changed.actor_id, changed.request_id) == ("user", "olga", "req-1")
    assert changed.before is not None and changed.after is not None
    assert (changed.before["role"], changed.after["role"]) == ("buyer", "operator")


def test_raw_sql_leaves_a_row_too() -> None:
    site = make_site()
    member = make_member(site)
    with in_site(site), connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_membership SET role = 'auditor' WHERE id = %s", [member.id])
    after = _events(site, member.id)[-1].after
    assert after is not None and after["role"] == "auditor"


def test_an_update_of_other_columns_leaves_none() -> None:
    site = make_site()
    member = make_member(site)
    with in_site(site):
        Membership.objects.filter(pk=member.pk).update(role="buyer")
    assert len(_events(site, member.id)) == 1


def test_without_an_actor_the_change_is_refused() -> None:
    site = make_site()
    member = make_member(site)
    with pytest.raises(IntegrityError, match="no actor is set"), site_scope(site.id):
        Membership.objects.filter(pk=member.pk).update(role="operator")


@pytest.mark.parametrize(
    "verb", ["UPDATE audit_auditevent SET actor_id = 'x'", "DELETE FROM audit_auditevent"]
)
def test_the_app_login_cannot_touch_history(verb: str) -> None:
    site = make_site()
    make_member(site)
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        in_site(site),
        connection.cursor() as cursor,
    ):
        cursor.execute(verb)


@pytest.mark.parametrize(
    "verb", ["UPDATE audit_auditevent SET actor_id = 'x'", "DELETE FROM audit_auditevent"]
)
def test_not_even_a_superuser_changes_history(admin_connection: Any, verb: str) -> None:
    make_member(make_site())
    with admin_connection.cursor() as cursor, pytest.raises(Exception, match="never changed or removed"):
        cursor.execute(verb)


def test_history_of_another_site_cannot_be_written() -> None:
    here, there = make_site("NA"), make_site("ASIA")
    with (
        pytest.raises(DatabaseError, match="row-level security"),
        in_site(here),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO audit_auditevent (id, site_id, at, actor_kind, actor_id, request_id, table_name, row_id,"
            " action) VALUES (%s, %s, now(), 'user', 'x', '', 't', %s, 'insert')",
            [uuid7(), there.id, uuid7()],
        )


def test_the_longest_request_id_that_is_taken_fits() -> None:
    longest = "x" * 64
    assert sane_request_id(longest) == longest
    site = make_site()
    with bind_request_id(longest):
        member = make_member(site)
    assert _events(site, member.id)[0].request_id == longest
