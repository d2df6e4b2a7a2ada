"""Walks the admin's registry: a model that is registered tomorrow is in these tests by itself."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin import site as admin_site
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import Role
from apps.sites.models import Site
from tests.admin.rows import (
    OTHER_MODELS,
    OUR_MODELS,
    SITE_MODELS,
    entered,
    fill_site,
    first_of,
    platform_admin,
    staff_of,
)

pytestmark = pytest.mark.usefixtures("database")
STAFF = [Role.OPERATOR, Role.APPROVER, Role.AUDITOR]


def url(model: type[models.Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_each_model_of_ours_is_in_the_admin() -> None:
    assert SITE_MODELS
    assert [model for model in OUR_MODELS if model not in admin_site._registry] == []


@pytest.mark.parametrize("role", STAFF)
def test_lists_objects_and_histories_answer(role: Role) -> None:
    site = fill_site("NA")
    client = entered(staff_of(site, role=role))
    for model in SITE_MODELS:
        row = first_of(site, model)
        assert row is not None, f"fill_site makes no {model._meta.label}"
        for address in (
            url(model, "changelist"),
            url(model, "change", row.pk),
            url(model, "history", row.pk),
        ):
            response = client.get(address)
            assert response.status_code == 200, f"{role} {address}"
        assert str(row.pk) in client.get(url(model, "changelist")).content.decode()


def test_a_platform_administrator_sees_the_installation_and_no_site() -> None:
    site = fill_site("NA")
    client = entered(platform_admin())
    for model in OTHER_MODELS:
        assert client.get(url(model, "changelist")).status_code == 200, model
        if row := model._default_manager.first():
            assert client.get(url(model, "change", row.pk)).status_code == 200, model
    for model in SITE_MODELS:
        for address in (url(model, "changelist"), url(model, "change", first_of(site, model).pk)):
            response = client.get(address)
            assert (response.status_code, response["Location"]) == (302, reverse("admin:choose_site"))


def test_staff_of_a_site_see_nothing_of_the_installation() -> None:
    client = entered(staff_of(fill_site("NA"), role=Role.APPROVER))
    for model in OTHER_MODELS:
        assert client.get(url(model, "changelist")).status_code == 403, model


def test_rows_of_another_site_are_as_unknown_as_rows_of_none() -> None:
    own, other = fill_site("OWN"), fill_site("OTHER")
    client = entered(staff_of(own, role=Role.APPROVER))
    for model in SITE_MODELS:
        foreign = first_of(other, model)
        assert str(foreign.pk) not in client.get(url(model, "changelist")).content.decode()
        found = client.get(url(model, "changelist"), {"q": foreign.pk}).content.decode()
        assert f"{foreign.pk}/change/" not in found
        for page in ("change", "history", "delete"):
            assert client.get(url(model, page, foreign.pk)).status_code in (302, 403), (model, page)


def test_a_foreign_object_answers_like_an_unknown_one() -> None:
    own, other = fill_site("OWN"), fill_site("OTHER")
    client = entered(staff_of(own))
    unknown = "01900000-0000-7000-8000-000000000000"
    for model in SITE_MODELS:
        foreign = str(first_of(other, model).pk)
        said = [
            client.get(url(model, "change", pk), follow=True).content.decode().replace(pk, "")
            for pk in (foreign, unknown)
        ]
        assert _without_tokens(said[0]) == _without_tokens(said[1]), model


def _without_tokens(page: str) -> list[str]:
    return [line for line in page.splitlines() if "csrfmiddlewaretoken" not in line]


def test_an_auditor_can_post_nothing() -> None:
    site = fill_site("NA")
    client = entered(staff_of(site, role=Role.AUDITOR))
    for model in SITE_MODELS:
        row = first_of(site, model)
        for address in (url(model, "add"), url(model, "change", row.pk), url(model, "delete", row.pk)):
            assert client.post(address, {"_save": "1"}).status_code == 403, address
        for action in admin_site._registry[model].entry_actions:  # type: ignore[attr-defined]
            asked = client.post(url(model, "ask", action.name), {"ids": row.pk})
            assert asked.status_code == 403, (model, action.name)


@pytest.mark.parametrize("role", STAFF)
def test_nothing_is_deleted_here(role: Role) -> None:
    site = fill_site("NA")
    client = entered(staff_of(site, role=role))
    for model in SITE_MODELS:
        assert client.post(url(model, "delete", first_of(site, model).pk), {"post": "yes"}).status_code == 403


def test_what_the_domain_decides_cannot_be_made_or_changed() -> None:
    site = fill_site("NA")
    client = entered(staff_of(site, role=Role.APPROVER))
    for model in SITE_MODELS:
        if model._meta.model_name in ("tier", "vestingpolicy", "asset", "subscription"):
            continue
        assert client.post(url(model, "add"), {}).status_code == 403, model
        assert client.post(url(model, "change", first_of(site, model).pk), {}).status_code == 403, model


def test_a_search_compares_whole_values_only() -> None:
    site = fill_site("NA")
    client = entered(staff_of(site))
    for model in SITE_MODELS:
        row = first_of(site, model)
        statements = _statements(client, url(model, "changelist"), str(row.pk))
        assert str(row.pk) in client.get(url(model, "changelist"), {"q": str(row.pk)}).content.decode(), model
        statements += _statements(client, url(model, "changelist"), "100%_\\'\"; --")
        assert not [sql for sql in statements if " LIKE " in sql or "UPPER(" in sql or "~" in sql], model


def _statements(client: Client, address: str, term: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address, {"q": term}).status_code == 200
    return [query["sql"] for query in queries]


def test_a_list_asks_a_bounded_number_of_questions() -> None:
    site: Site = fill_site("NA")
    client = entered(staff_of(site))
    for model in SITE_MODELS:
        with CaptureQueriesContext(connection) as queries:
            client.get(url(model, "changelist"))
        assert len(queries) <= 12, (model, [query["sql"] for query in queries])
