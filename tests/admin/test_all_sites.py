"""The platform administrator's look at all sites: read-only, recorded, and nobody else's."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InternalError, ProgrammingError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.urls import reverse

from apps.accounts.models import Identity, Membership, PlatformEvent, Role
from apps.accounts.platform import NotPlatformAdmin, platform_look
from apps.core.context import acting_as
from apps.orders.models import Order
from apps.payouts.models import Payout
from apps.sites.auditor import ALIAS, AuditorLookMissing, AuditorOnlyReads, auditor_look
from apps.sites.models import Asset, Site
from apps.sites.scope import SiteScopeMissing
from apps.vesting.models import Allocation
from tests.admin.rows import entered, fill_site, first_of, platform_admin, staff_of
from tests.factories import make_asset, make_identity, make_site
from tests.servers import BACKEND

pytestmark = pytest.mark.usefixtures("database")
ALL, FIND, HISTORY = "/admin/all-sites/", "/admin/all-sites/find/", "/admin/all-sites/history/"
PAGES = [ALL, FIND, HISTORY]


def auditor_connection() -> Any:
    """The auditor's login outside Django, which could only hold itself back."""
    made = settings.DATABASES[ALIAS]
    return psycopg2.connect(
        dbname=made["NAME"],
        user=made["USER"],
        password=made["PASSWORD"],
        host=made["HOST"],
        port=made["PORT"],
        options=made["OPTIONS"]["options"],
    )


def test_every_site_is_shown_with_its_rows_by_state() -> None:
    fill_site("NA")
    fill_site("ASIA")
    make_site("QUIET", is_active=False)
    page = entered(platform_admin()).get(ALL)
    shown = {each.site.code: dict(each.counts) for each in page.context["sites"]}
    assert list(shown) == ["ASIA", "NA", "QUIET"]
    assert shown["NA"]["orders"] == shown["ASIA"]["orders"] != []
    assert shown["QUIET"]["orders"] == []
    assert "inactive" in page.content.decode()


@pytest.mark.parametrize("model", [Order, Payout, Allocation, Membership])
def test_an_id_is_found_in_whichever_site(model: Any) -> None:
    fill_site("NA")
    row = first_of(fill_site("ASIA"), model)
    page = entered(platform_admin()).get(FIND, {"id": str(row.pk)})
    (found,) = page.context["rows"]
    assert (found.site_code, found.row_id) == ("ASIA", row.pk)


@pytest.mark.parametrize("asked", ["", "x", "01900000-0000-7000-8000-000000000000"])
def test_what_nobody_has_is_not_found(asked: str) -> None:
    fill_site("NA")
    page = entered(platform_admin()).get(FIND, {"id": asked})
    assert (page.status_code, page.context["rows"]) == (200, [])


def test_history_of_all_sites_of_one_and_of_a_row() -> None:
    sites = {code: fill_site(code) for code in ("NA", "ASIA")}
    client = entered(platform_admin())
    assert {event.site_code for event in client.get(HISTORY).context["events"]} == {"NA", "ASIA"}
    assert {event.site_code for event in client.get(HISTORY, {"site": "NA"}).context["events"]} == {"NA"}
    assert client.get(HISTORY, {"site": "NOWHERE"}).context["events"] == []
    member = first_of(sites["ASIA"], Membership)
    events = client.get(FIND, {"id": str(member.pk)}).context["events"]
    assert {(event.site_code, event.row_id) for event in events} == {("ASIA", member.pk)}


def test_each_look_is_recorded_with_who_and_what() -> None:
    admin, row = platform_admin(), first_of(fill_site("NA"), Order)
    client = entered(admin)
    client.get(ALL)
    client.get(FIND, {"id": str(row.pk)})
    client.get(HISTORY, {"site": "NA"})
    looks = PlatformEvent.objects.order_by("id").values_list("actor_kind", "actor_id", "action", "target")
    who = ("user", str(admin.pk))
    assert list(looks) == [
        (*who, "look.sites", ""),
        (*who, "look.find", str(row.pk)),
        (*who, "look.history", "NA"),
    ]
    assert all(PlatformEvent.objects.values_list("request_id", flat=True))


def test_a_look_that_fails_is_recorded_too() -> None:
    admin = platform_admin()
    with (
        acting_as("user", str(admin.pk)),
        pytest.raises(ZeroDivisionError),
        platform_look(by_identity_id=admin.pk, action="look.sites"),
    ):
        raise ZeroDivisionError
    assert PlatformEvent.objects.count() == 1


@pytest.mark.parametrize(
    "verb", ["UPDATE accounts_platformevent SET target = ''", "DELETE FROM accounts_platformevent"]
)
@pytest.mark.isolation("history")
def test_a_record_is_never_changed_or_removed(verb: str, admin_connection: Any) -> None:
    entered(platform_admin()).get(ALL)
    with (
        connections["default"].cursor() as cursor,
        pytest.raises(ProgrammingError, match="permission denied"),
    ):
        cursor.execute(verb)
    with admin_connection.cursor() as cursor, pytest.raises(psycopg2.Error, match="never changed or removed"):
        cursor.execute(verb)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("role", [Role.OPERATOR, Role.APPROVER, Role.AUDITOR])
@pytest.mark.isolation("every endpoint")
def test_for_staff_of_a_site_there_is_nothing_here(page: str, role: Role) -> None:
    client = entered(staff_of(fill_site("NA"), role=role))
    for answer in (client.get(page), client.post(page)):
        assert answer.status_code in (404, 405)
    assert client.get(page).status_code == 404
    assert not PlatformEvent.objects.exists()


@pytest.mark.parametrize("page", PAGES)
def test_nobody_else_gets_there(page: str) -> None:
    for client in (entered(make_identity()), entered(make_identity(is_platform_admin=True))):
        assert client.get(page)["Location"].startswith(reverse("admin:login"))


@pytest.mark.isolation("every endpoint")
def test_the_right_is_asked_anew() -> None:
    admin = platform_admin()
    Identity.objects.filter(pk=admin.pk).update(is_platform_admin=False)
    with pytest.raises(NotPlatformAdmin), platform_look(by_identity_id=admin.pk, action="look.sites"):
        pytest.fail("looked")


@pytest.mark.parametrize("page", PAGES)
def test_nothing_can_be_sent(page: str) -> None:
    assert entered(platform_admin()).post(page).status_code == 405


def test_the_link_is_the_platform_administrators() -> None:
    assert ALL in entered(platform_admin()).get("/admin/").content.decode()
    assert ALL not in entered(staff_of(make_site("NA"))).get("/admin/").content.decode()


WRITES = [
    "UPDATE sites_asset SET name = 'mine'",
    "DELETE FROM sites_asset",
    "INSERT INTO accounts_platformevent (id, at, actor_kind, actor_id, request_id, action, target)"
    " VALUES (gen_random_uuid(), now(), 'x', 'x', '', 'x', '')",
    "UPDATE sites_site SET approval_rule = 'one_person'",
    "TRUNCATE sites_asset",
]


@pytest.mark.parametrize("statement", WRITES)
@pytest.mark.isolation("role switching")
def test_postgresql_refuses_the_auditor_every_write(statement: str) -> None:
    make_asset(make_site("NA"))
    connection = auditor_connection()
    try:
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            cursor.execute(statement)
        connection.rollback()
        # The session may say otherwise of itself; its rights do not.
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ WRITE")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
    finally:
        connection.close()


@pytest.mark.parametrize(
    "escape", ["SET ROLE posx_app", "SET ROLE posx_owner", "SET SESSION AUTHORIZATION postgres"]
)
@pytest.mark.isolation("role switching")
def test_the_auditor_becomes_nobody_else(escape: str) -> None:
    connection = auditor_connection()
    try:
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(escape)
    finally:
        connection.close()


@pytest.mark.isolation("no scope")
def test_outside_a_look_nothing_is_read_there() -> None:
    make_asset(make_site("NA"))
    with pytest.raises(AuditorLookMissing):
        list(Asset.objects.using(ALIAS))
    with pytest.raises(AuditorLookMissing), connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sites_asset")
    connections[ALIAS].close()


@pytest.mark.isolation("no scope", control=True)
def test_inside_a_look_rows_of_every_site_are_there() -> None:
    """Negative control: without the look's guard this connection has no other."""
    make_asset(make_site("NA"))
    make_asset(make_site("ASIA"))
    with auditor_look():
        assert Asset.objects.using(ALIAS).count() == 2


@pytest.mark.isolation("no scope")
def test_a_look_opens_no_site_on_the_other_connection() -> None:
    make_asset(make_site("NA"))
    with auditor_look(), pytest.raises(SiteScopeMissing):
        list(Asset.objects.all())


@pytest.mark.parametrize("how", ["create", "save", "update", "delete"])
@pytest.mark.isolation("no scope")
def test_the_orm_writes_nothing_there(how: str) -> None:
    make_asset(make_site("NA"))
    with pytest.raises(AuditorOnlyReads), auditor_look():
        _write(Asset.objects.using(ALIAS), how)


def _write(rows: Any, how: str) -> None:
    row = rows.get()
    match how:
        case "create":
            rows.create(site_id=row.site_id, code="X", decimals=1, chain_id=1)
        case "save":
            row.save()
        case "update":
            rows.update(name="mine")
        case _:
            rows.all().delete()


def test_the_connection_is_given_back_after_each_look() -> None:
    entered(platform_admin()).get(ALL)
    assert settings.DATABASES[ALIAS]["CONN_MAX_AGE"] == 0
    assert connections[ALIAS].connection is None


def _wrapper(alias: str, of: str) -> BaseDatabaseWrapper:
    made = connections[of].copy(alias)
    assert isinstance(made, BaseDatabaseWrapper)
    return made


@pytest.mark.parametrize(("alias", "of"), [("default", ALIAS), (ALIAS, "default")])
@pytest.mark.isolation("role switching")
def test_each_login_serves_its_own_alias_only(alias: str, of: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="may not serve the connection"):
        _wrapper(alias, of).connect()


def test_migrations_are_of_the_default_alias() -> None:
    from django.db import router

    assert not router.allow_migrate(ALIAS, "sites")
    assert router.allow_migrate("default", "sites")


def test_the_look_reads_only_whatever_it_is_asked() -> None:
    make_site("NA")
    with pytest.raises((InternalError, DatabaseError)), auditor_look(), connections[ALIAS].cursor() as cursor:
        cursor.execute("UPDATE sites_site SET approval_rule = 'one_person'")
    assert Site.objects.get().approval_rule == "two_people"


def test_looks_are_opened_by_the_one_that_records_them() -> None:
    opened = [
        str(path.relative_to(BACKEND))
        for path in sorted((BACKEND / "apps").rglob("*.py"))
        if "auditor_look(" in path.read_text() and path.name != "auditor.py"
    ]
    assert opened == ["apps/accounts/platform.py"]
