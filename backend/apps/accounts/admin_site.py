"""The admin's frame: who may enter, in which site they are, and the scope around each view with its rendering."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apps.accounts.admin_login import GuardedLoginForm
from apps.accounts.admin_places import place_choose, places_for
from apps.accounts.admin_second_factor import setup_page, verify_page, way_to
from apps.accounts.second_factor import step_of
from apps.accounts.sessions import HAD_A_SITE
from apps.audit.models import AuditEvent
from apps.core.context import acting_as
from apps.core.problems import Problem
from apps.sites.scope import bind_site, current_site_id, site_scope
from apps.sites.scoped_admin.place import StaffPlace, has_own_scope, place_of, places_of, set_places

HISTORY_LIMIT = 200
AdminView = Callable[..., HttpResponseBase]
# What somebody may open who has given a password and no second factor yet.
BEFORE_SECOND_FACTOR = frozenset({"logout", "second_factor", "second_factor_setup"})
Change = tuple[str, Any, Any]  # column, before, after


class StaffAdminSite(AdminSite):
    """Django's AdminSite inside one site at a time."""

    site_header = gettext_lazy("POSX")
    site_title = gettext_lazy("POSX")
    index_title = gettext_lazy("What there is")
    site_url = None
    enable_nav_sidebar = True
    login_form = GuardedLoginForm

    def get_urls(self) -> list[Any]:
        # "View on site" fetches any object by its content type, without asking the model's admin.
        kept = [each for each in super().get_urls() if getattr(each, "name", None) != "view_on_site"]
        own = [
            ("site/", self.choose_site),
            ("second-factor/", self.second_factor),
            ("second-factor/setup/", self.second_factor_setup),
        ]
        return [*(path(way, self.admin_view(view), name=view.__name__) for way, view in own), *kept]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The password; a lock-out is 429 and says in words when to come again."""
        response = super().login(request, extra_context)
        form = (getattr(response, "context_data", None) or {}).get("form")
        if isinstance(form, GuardedLoginForm) and form.locked is not None:
            response.status_code = 429
            response["Retry-After"] = str(form.locked.wait_s)
        return response

    def admin_view(self, view: AdminView, cacheable: bool = False) -> AdminView:  # type: ignore[override]
        """Each view knows its person's sites; a view of site rows runs and renders inside one scope."""

        @wraps(view)
        def placed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            is_early = getattr(view, "__self__", None) is self and view.__name__ in BEFORE_SECOND_FACTOR
            if not is_early and (way := way_to(step_of(request), request)) is not None:
                return way
            set_places(request, places_for(request))
            if _lost_last_site(request):
                logout(request)
                return redirect_to_login(request.get_full_path(), reverse("admin:login"))
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

    def second_factor(self, request: HttpRequest) -> HttpResponseBase:
        """The code after the password."""
        return verify_page(request, self)

    def second_factor_setup(self, request: HttpRequest) -> HttpResponseBase:
        """A phone's first code, or new recovery codes."""
        return setup_page(request, self)

    def choose_site(self, request: HttpRequest) -> HttpResponseBase:
        """GET: the sites to choose from. POST ``site``: choose it."""
        return _choose_site(request, self)

    def history_of(self, row: models.Model) -> list[tuple[AuditEvent, list[Change]]]:
        """The newest audit rows of one object of the open scope's site, each with what it changed."""
        events = AuditEvent.objects.filter(site_id=current_site_id(), row_id=row.pk)
        newest = events.filter(table_name=row._meta.db_table).order_by("-id")[:HISTORY_LIMIT]
        return [(event, _changes(event)) for event in newest]


def _lost_last_site(request: HttpRequest) -> bool:
    """Whether the person was staff somewhere when they logged in, and is nowhere any more."""
    if places_of(request).all or getattr(request.user, "is_platform_admin", False):
        return False
    return bool(request.session.get(HAD_A_SITE))


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
