"""Pages of all sites for platform administrators: looked at only, each look recorded; missing for everybody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.accounts.platform import NotPlatformAdmin, platform_look
from apps.operations.all_sites import past_events, rows_with_id, sites_with_counts

Asked = dict[str, Any]
Page = Callable[..., HttpResponseBase]


def _only_platform_admins(page: Page) -> Page:
    """404 for others: there is nothing here for them to know of."""

    @wraps(page)
    @require_safe
    def checked(request: HttpRequest) -> HttpResponseBase:
        try:
            return page(request)
        except NotPlatformAdmin:
            raise Http404 from None

    return checked


@_only_platform_admins
def all_sites(request: HttpRequest) -> HttpResponseBase:
    """Each site with its rows by state."""
    with platform_look(by_identity_id=_person(request), action="look.sites"):
        shown = {"sites": sites_with_counts()}
    return _page(request, "admin/all_sites.html", _("All sites"), shown)


@_only_platform_admins
def find_in_all_sites(request: HttpRequest) -> HttpResponseBase:
    """``?id=``: the rows with that id, and their history."""
    row_id = _uuid(request.GET, "id")
    with platform_look(by_identity_id=_person(request), action="look.find", target=str(row_id or "")):
        rows = rows_with_id(row_id=row_id) if row_id else []
        events = past_events(row_id=row_id) if row_id else []
    shown = {"rows": rows, "events": events, "asked": request.GET.get("id", "")}
    return _page(request, "admin/all_sites_find.html", _("Find in all sites"), shown)


@_only_platform_admins
def history_of_all_sites(request: HttpRequest) -> HttpResponseBase:
    """The newest audit rows; ``?site=`` those of one code."""
    code = request.GET.get("site", "").replace("\x00", "")[:16]
    with platform_look(by_identity_id=_person(request), action="look.history", target=code):
        events = past_events(site_code=code)
    return _page(request, "admin/all_sites_find.html", _("History of all sites"), {"events": events})


def _person(request: HttpRequest) -> UUID:
    return UUID(str(request.user.pk))


def _uuid(sent: Mapping[str, Any], name: str) -> UUID | None:
    try:
        return UUID(str(sent.get(name, "")).strip())
    except ValueError:
        return None


def _page(request: HttpRequest, template: str, title: str, shown: Asked) -> HttpResponseBase:
    context = {**admin.site.each_context(request), "title": title, **shown}
    return TemplateResponse(request, template, context)
