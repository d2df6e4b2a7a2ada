"""Negative controls of the walk: where a guard is taken away, it finds what comes through."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.urls import include, path
from pytest_django import DjangoDbBlocker, Settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.member_view import MemberView
from apps.core.problems import Problem
from apps.operations.endpoints import admitted, api_endpoints
from apps.orders.models import Order
from apps.sites.scoped_admin.base import ScopedAdmin
from apps.vesting.models import Release
from config.urls import urlpatterns as real_urlpatterns
from tests.admin.rows import entered, staff_of
from tests.databases import connect_as_superuser
from tests.isolation.doors.admin_pages import AdminCase, admin_pages, cases_of
from tests.isolation.doors.admin_walk import admin_findings
from tests.isolation.doors.cases import Case, findings, next_cursor, shown
from tests.isolation.doors.conftest import Standing, stand
from tests.isolation.doors.operations import operation, operations
from tests.isolation.doors.wishes import good_wish
from tests.servers import clone_template, database_url

pytestmark = pytest.mark.isolation("every endpoint", control=True)
ORDER = Case(operation("staff_orders_read"), "path")
RELEASES = Case(operation("staff_vesting_releases_list"), "query", ("allocation_id",))


@pytest.fixture(scope="module")
def scratch_url(_superuser_connection: Any) -> Iterator[str]:
    """A migrated database of its own, in which guards may be removed."""
    name = clone_template(f"posx_doors_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    yield database_url(name)
    with _superuser_connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def scratch(scratch_url: str) -> Iterator[Any]:
    """psycopg2 as the superuser of the scratch database."""
    superuser = connect_as_superuser(scratch_url)
    yield superuser
    superuser.close()


@pytest.fixture(scope="module")
def standing(scratch_url: str, scratch: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Standing]:
    """The twins in the scratch database, which `default` is connected to for this module."""
    kept = connection.settings_dict
    with django_db_blocker.unblock():
        connection.close()
        connection.settings_dict = {**kept, "NAME": urlsplit(scratch_url).path.lstrip("/")}
        try:
            yield stand(scratch)
        finally:
            connection.close()
            connection.settings_dict = kept


@pytest.fixture
def opened(scratch: Any) -> Iterator[None]:
    """No table has its policy: a join with one that has would still hide the row."""
    tables = [model._meta.db_table for model in apps.get_models() if hasattr(model, "site_id")]
    _alter(scratch, *(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY" for table in tables))
    yield
    _alter(scratch, *(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY" for table in tables))


@pytest.fixture
def unfiltered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views whose querysets forget the site."""
    monkeypatch.setattr(
        "apps.orders.views.order_of_site",
        lambda *, order_id: Order.objects.select_related("tier__asset").filter(id=order_id).first(),
    )
    monkeypatch.setattr(
        "apps.orders.views.orders_of_site", lambda **_: Order.objects.select_related("tier__asset")
    )
    releases = Release.objects.select_related("allocation__asset")
    monkeypatch.setattr(
        "apps.vesting.staff_views.releases",
        lambda allocation_id=None, **_: releases.filter(allocation_id=allocation_id),
    )


def _alter(superuser: Any, *statements: str) -> None:
    with superuser.cursor() as cursor:
        cursor.execute(";".join(statements))


def _found(case: Case, standing: Standing) -> str:
    return " ".join(findings(case, standing.here, standing.there, standing.marks))


@pytest.mark.parametrize("case", [ORDER, RELEASES], ids=str)
def test_with_every_guard_nothing_is_found(case: Case, standing: Standing) -> None:
    assert _found(case, standing) == ""


@pytest.mark.parametrize("case", [ORDER, RELEASES], ids=str)
@pytest.mark.usefixtures("unfiltered")
def test_the_policy_alone_holds(case: Case, standing: Standing) -> None:
    assert _found(case, standing) == ""


@pytest.mark.parametrize("case", [ORDER, RELEASES], ids=str)
@pytest.mark.usefixtures("opened")
def test_the_filter_alone_holds(case: Case, standing: Standing) -> None:
    assert _found(case, standing) == ""


@pytest.mark.usefixtures("opened", "unfiltered")
def test_without_policy_and_filter_a_path_is_found(standing: Standing) -> None:
    found = _found(ORDER, standing)
    assert "status: 200 / 404" in found
    assert standing.there.id_of("wallet_id") in found


@pytest.mark.usefixtures("opened", "unfiltered")
def test_without_policy_and_filter_a_query_parameter_is_found(standing: Standing) -> None:
    assert "body: " in _found(RELEASES, standing)


@pytest.mark.usefixtures("opened", "unfiltered")
def test_without_policy_and_filter_a_list_and_a_cursor_are_found(standing: Standing) -> None:
    orders = operation("staff_orders_list")
    assert shown(orders, standing.here, standing.marks)[1]
    cursor = next_cursor(orders, standing.there)
    assert shown(orders, standing.here, standing.marks, cursor=cursor)[1]


@pytest.fixture
def unfiltered_admin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Admin pages whose querysets forget the site."""
    monkeypatch.setattr(ScopedAdmin, "get_queryset", admin.ModelAdmin.get_queryset)


ADMIN_CASES = [
    case
    for page in admin_pages()
    if page.model is Order and page.kind in ("change", "history", "changelist")
    for case in cases_of(page)
    if case.method == "GET" and case.takes is Order and "pk" not in case.fields
]


@pytest.mark.parametrize("case", ADMIN_CASES, ids=str)
@pytest.mark.usefixtures("opened", "unfiltered_admin")
def test_without_policy_and_filter_a_page_of_the_admin_is_found(case: AdminCase, standing: Standing) -> None:
    client = entered(staff_of(standing.here.site))
    client.raise_request_exception = False  # CrossedSiteScope stops some pages half way: an answer of its own
    assert admin_findings(case, client, standing.here, standing.there, standing.marks)


@pytest.mark.usefixtures("opened")
def test_an_answer_that_knows_better_is_found(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row is shown, but the words differ, or the time."""

    def telling(*, order_id: Any) -> None:
        if Order.objects.filter(id=order_id).exists():
            raise Problem("not_yours", 403, "This order is another site's.")

    monkeypatch.setattr("apps.orders.views.order_of_site", telling)
    assert "status: 403 / 404" in _found(ORDER, standing)


@pytest.mark.usefixtures("opened")
def test_a_slower_refusal_is_found(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    def looks_twice(*, order_id: Any) -> None:
        if Order.objects.filter(id=order_id).exists():
            Order.objects.count()

    monkeypatch.setattr("apps.orders.views.order_of_site", looks_twice)
    found = _found(ORDER, standing)
    assert found.startswith("statements: ")


def test_a_changed_row_is_found(standing: Standing, scratch: Any) -> None:
    before = standing.witness.content(standing.there.site.id)
    with scratch.cursor() as cursor:
        cursor.execute(
            "UPDATE sites_site SET name = name || '!' WHERE id = %s", [str(standing.there.site.id)]
        )
    after = standing.witness.content(standing.there.site.id)
    assert [table for table in before if before[table] != after[table]] == ["sites_site"]


@pytest.mark.parametrize("name", ["staff_orders_list", "tiers_list", "wallets_list", "me_read"])
def test_the_marks_are_found_from_the_other_side(name: str, standing: Standing) -> None:
    assert shown(operation(name), standing.there, standing.marks)[1]


class NewView(MemberView):
    """An endpoint of tomorrow."""

    def get(self, request: Request, secret_id: str) -> Response:
        """Not described by a schema."""
        return Response({"id": secret_id})


class Undeclared:
    """URLs with an endpoint that nobody has told the walk of."""

    urlpatterns = [
        *real_urlpatterns,
        path("api/v1/", include([path("new/<uuid:secret_id>/", NewView.as_view())])),
    ]


def test_a_new_endpoint_is_walked_by_itself(settings: Settings, standing: Standing) -> None:
    settings.ROOT_URLCONF = Undeclared
    operations.cache_clear()
    try:
        [added] = [each for each in operations() if each.route == "/api/v1/new/{secret_id}/"]
        assert added.path["secret_id"]["format"] == "uuid"
        with pytest.raises(KeyError, match="secret_id"):
            good_wish(added, standing.here)
        assert any(endpoint.view is NewView for endpoint in api_endpoints())
    finally:
        operations.cache_clear()


def test_an_endpoint_without_declared_roles_is_refused(settings: Settings) -> None:
    class Bare(APIView):
        def get(self, request: Request) -> Response:
            return Response({})

    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("api/v1/bare/", Bare.as_view())]})
    with pytest.raises(TypeError, match="derive Bare from MemberView"):
        [admitted(endpoint) for endpoint in api_endpoints()]
