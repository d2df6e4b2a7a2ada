"""The admin's frame: who may enter, in which site they are, and the scope around each view with its rendering."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite, ModelAdmin
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apps.accounts.admin_places import place_choose, places_for
from apps.audit.models import AuditEvent
from apps.core.context import acting_as
from apps.core.problems import Problem
from apps.sites.scope import bind_site, current_site_id, site_scope
from apps.sites.scoped_admin.place import StaffPlace, has_own_scope, place_of, places_of, set_places

HISTORY_LIMIT = 200
AdminView = Callable[..., HttpResponseBase]
Change = tuple[str, Any, Any]  # column, before, after


class StaffAdminSite(AdminSite):
    """Django's AdminSite inside one site at a time."""

    site_header = gettext_lazy("POSX")
    site_title = gettext_lazy("POSX")
    index_title = gettext_lazy("What there is")
    site_url = None
    enable_nav_sidebar = True

    def get_urls(self) -> list[Any]:
        # "View on site" fetches any object by its content type, without asking the model's admin.
        kept = [each for each in super().get_urls() if getattr(each, "name", None) != "view_on_site"]
        return [path("site/", self.admin_view(self.choose_site), name="choose_site"), *kept]

    def admin_view(self, view: AdminView, cacheable: bool = False) -> AdminView:  # type: ignore[override]
        """Each view knows its person's sites; a view of site rows runs and renders inside one scope."""

        @wraps(view)
        def placed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            set_places(request, places_for(request))
            place, wants_site = place_of(request), _wants_site(view)
            if wants_site and place is None:
                return HttpResponseRedirect(reverse("admin:choose_site"))
            try:
                with _working(request, place if wants_site else None, view):
                    return _rendered(view(request, *args, **kwargs), wants_site)
            except (IntegrityError, Problem, ValidationError) as refusal:
                return _refused(request, refusal)

        return super().admin_view(placed, cacheable)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What the header shows: the person's sites and the current one."""
        return {**super().each_context(request), "staff_places": places_of(request)}

    def choose_site(self, request: HttpRequest) -> HttpResponseBase:
        """GET: the sites to choose from. POST ``site``: choose it."""
        return _choose_site(request, self)

    def history_of(self, row: models.Model) -> list[tuple[AuditEvent, list[Change]]]:
        """The newest audit rows of one object of the open scope's site, each with what it changed."""
        events = AuditEvent.objects.filter(site_id=current_site_id(), row_id=row.pk)
        newest = events.filter(table_name=row._meta.db_table).order_by("-id")[:HISTORY_LIMIT]
        return [(event, _changes(event)) for event in newest]


@require_http_methods(["GET", "POST"])
def _choose_site(request: HttpRequest, site: StaffAdminSite) -> HttpResponseBase:
    if request.method == "POST":
        sent = request.POST.get("site", "")
        chosen = place_choose(request, site_id=sent)
        if chosen is not None:
            # To the front page and not back: a page of the other site would only be missing here.
            return HttpResponseRedirect(reverse("admin:index"))
        messages.error(request, _("You do not work in such a site."))
    context = {**site.each_context(request), "title": _("Choose a site")}
    status = 404 if request.method == "POST" else 200
    return TemplateResponse(request, "admin/choose_site.html", context, status=status)


def _changes(event: AuditEvent) -> list[Change]:
    before, after = event.before or {}, event.after or {}
    names = sorted({*before, *after})
    return [(n, before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)]


@contextmanager
def _working(request: HttpRequest, place: StaffPlace | None, view: AdminView) -> Iterator[None]:
    if place is None:
        with acting_as("user", str(request.user.pk)):
            yield
        return
    with bind_site(place.site_id), acting_as("user", str(place.member_id)):
        if has_own_scope(view):
            yield
            return
        with site_scope():
            yield


def _wants_site(view: AdminView) -> bool:
    """Whether the view belongs to a model of a site, or looks such models up."""
    owner = getattr(view, "__self__", None)
    if isinstance(owner, ModelAdmin):
        return bool(getattr(owner.model, "is_site_owned", False))
    return getattr(view, "__name__", "") == "autocomplete_view"


def _rendered(response: HttpResponseBase, inside_scope: bool) -> HttpResponseBase:
    # Lists are lazy: Django would evaluate them after the view, when the scope has ended.
    if inside_scope and isinstance(response, TemplateResponse):
        return response.render()
    return response


def _refused(request: HttpRequest, refusal: Exception) -> HttpResponse:
    """A rule that only the database could see is told to the person; nothing was written."""
    messages.error(request, _said(refusal))
    here = request.get_full_path() if request.method == "POST" else reverse("admin:index")
    return HttpResponseRedirect(here)


def _said(refusal: Exception) -> str:
    match refusal:
        case Problem():
            return refusal.detail
        case ValidationError():
            return " ".join(refusal.messages)
        case _:
            rule = getattr(getattr(refusal.__cause__, "diag", None), "constraint_name", None)
            return _("The database refused this: %(rule)s") % {"rule": rule or _("a rule was broken")}
