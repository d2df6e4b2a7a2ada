"""The scope around a view: its rendering is inside, services are outside, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin import site as admin_site
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.test import RequestFactory

from apps.core.context import current_actor
from apps.sites.scope import bound_site_id, in_scope
from apps.sites.scoped_admin.place import opens_own_scope
from apps.tiers.models import Tier
from tests.admin.rows import entered, staff_of
from tests.factories import make_site, make_tier

pytestmark = pytest.mark.usefixtures("database")


class LazyView:
    """A page whose rows are read while it is rendered, as Django's own lists are."""

    def page(self, request: HttpRequest) -> TemplateResponse:
        template: Any = engines["django"].from_string("{% for tier in tiers %}{{ tier.name }}{% endfor %}")
        return TemplateResponse(request, template, {"tiers": Tier.objects.all()})

    @opens_own_scope
    def outside(self, request: HttpRequest) -> HttpResponse:
        actor = current_actor()
        return HttpResponse(f"{in_scope()} {bound_site_id()} {actor.kind if actor else ''}")


@pytest.fixture
def lazy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    tier_admin: Any = admin_site._registry[Tier]
    for name in ("page", "outside"):
        monkeypatch.setattr(type(tier_admin), name, getattr(LazyView, name), raising=False)
    yield tier_admin


def _request(client: Any, person: Any) -> HttpRequest:
    request = RequestFactory().get("/admin/")
    request.user, request.session = person, client.session
    return request


def test_a_lazy_list_is_read_inside_the_scope(lazy: Any) -> None:
    site = make_site("NA")
    make_tier(site, name="Lazy tier")
    person = staff_of(site)
    view: Any = admin_site.admin_view(lazy.page)
    response = view(_request(entered(person), person))
    assert response.is_rendered
    assert response.content.decode() == "Lazy tier"
    assert not in_scope()


def test_a_view_that_calls_services_is_bound_but_not_wrapped(lazy: Any) -> None:
    site = make_site("NA")
    person = staff_of(site)
    view: Any = admin_site.admin_view(lazy.outside)
    response = view(_request(entered(person), person))
    assert response.content.decode() == f"False {site.id} user"
    assert bound_site_id() is None
    assert current_actor() is None


def test_a_page_that_fails_leaves_no_scope(lazy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_self: Any, _request: HttpRequest) -> HttpResponse:
        raise RuntimeError("broken")

    monkeypatch.setattr(type(lazy), "page", broken)
    person = staff_of(make_site("NA"))
    view: Any = admin_site.admin_view(lazy.page)
    with pytest.raises(RuntimeError, match="broken"):
        view(_request(entered(person), person))
    assert bound_site_id() is None
    assert not in_scope()
