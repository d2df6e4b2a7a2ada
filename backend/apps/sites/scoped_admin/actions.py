"""Actions that call an entry service: offered on a list or a page, confirmed, then run outside the page's scope."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from apps.core.problems import Problem
from apps.core.remote import RemoteError
from apps.sites.scope import site_scope
from apps.sites.scoped_admin.place import StaffPlace, opens_own_scope, place_of

OBJECTS_LIMIT = 100


class EntryAction:
    """One thing that staff ask a service for. ``perform`` runs with the site bound and no transaction open."""

    name: ClassVar[str]
    title: ClassVar[Any]
    one_only: ClassVar[bool] = False

    def allowed(self, place: StaffPlace) -> bool:
        """Whether the role may ask for it."""
        return place.may_write

    def fits(self, row: Any) -> bool:
        """Whether the page of this row offers it; the service decides."""
        return True

    def facts(self, rows: Sequence[Any]) -> list[tuple[Any, Any]]:
        """What the person confirms, as (label, value); runs inside the site's scope."""
        return [(_("Selected"), len(rows))]

    def form(self, rows: Sequence[Any], data: Any = None) -> forms.Form:
        """What else is asked for; also what the confirmed page has to post back."""
        return forms.Form(data)

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> Any:
        """Call the service; returns the sentence to show. Problems and RemoteErrors are shown too."""
        raise NotImplementedError


class EntryActions(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Offers ``entry_actions`` on the list and on each object's page."""

    entry_actions: ClassVar[tuple[EntryAction, ...]] = ()
    change_form_template = "admin/scoped_change_form.html"

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_ask"
        view = self.admin_site.admin_view(self.entry_view)
        return [path("ask/<slug:action>/", view, name=name), *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found: dict[str, Any] = super().get_actions(request)
        for action in self._allowed(request):
            found[action.name] = (partial(_offer, action=action), action.name, action.title)
        return found

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if self.entry_actions else None
        links = [
            (action.title, f"{self.address_of(action)}?ids={object_id}")
            for action in self._allowed(request)
            if row is not None and action.fits(row)
        ]
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "entry_links": links}
        )

    @opens_own_scope
    def entry_view(self, request: HttpRequest, action: str) -> HttpResponse:
        """Show what is to be confirmed (GET), or do it (POST)."""
        chosen = next((each for each in self._allowed(request) if each.name == action), None)
        place = place_of(request)
        if chosen is None or place is None:
            raise PermissionDenied
        posted = request.method == "POST"
        with site_scope():
            rows = self._rows(request, request.POST if posted else request.GET)
            form = chosen.form(rows, request.POST if posted else None)
            if not posted or not form.is_valid():
                return self.confirmation(request, chosen, rows, form).render()
            ids = [row.pk for row in rows]
        level, said = _performed(chosen, place, ids, form.cleaned_data)
        self.message_user(request, said, level)
        return HttpResponseRedirect(self._address_after(chosen, ids))

    def confirmation(
        self, request: HttpRequest, action: EntryAction, rows: Sequence[Any], form: forms.Form
    ) -> TemplateResponse:
        """The page between the wish and the deed."""
        context = {
            **self.admin_site.each_context(request),
            "title": action.title,
            "opts": self.opts,
            "rows": rows,
            "facts": action.facts(rows),
            "form": form,
            "ask_url": self.address_of(action),
        }
        return TemplateResponse(request, "admin/entry_action.html", context)

    def address_of(self, action: EntryAction) -> str:
        """Where the action is confirmed and done."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_ask", args=[action.name])

    def _allowed(self, request: HttpRequest) -> list[EntryAction]:
        place = place_of(request)
        return [each for each in self.entry_actions if place is not None and each.allowed(place)]

    def _rows(self, request: HttpRequest, sent: Any) -> list[Model]:
        try:
            ids = {UUID(each) for each in sent.getlist("ids")}
        except ValueError:
            raise Http404 from None
        rows = list(self._with_relations(request).filter(pk__in=ids)) if 0 < len(ids) <= OBJECTS_LIMIT else []
        # One that is missing is another site's or nobody's: nothing is done for the others either.
        if not rows or len(rows) != len(ids):
            raise Http404
        return rows

    def _with_relations(self, request: HttpRequest) -> QuerySet[Any]:
        related = self.get_list_select_related(request)
        queryset = self.get_queryset(request).order_by("pk")
        return queryset.select_related(*related) if isinstance(related, list | tuple) else queryset

    def _address_after(self, action: EntryAction, ids: Sequence[UUID]) -> str:
        base = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        return reverse(f"{base}_change", args=ids) if action.one_only else reverse(f"{base}_changelist")


def _offer(
    modeladmin: EntryActions, request: HttpRequest, queryset: QuerySet[Any], *, action: EntryAction
) -> HttpResponse | None:
    """The list's own part of an action: it runs inside the page's scope, so it only asks."""
    most = 1 if action.one_only else OBJECTS_LIMIT
    rows = list(queryset.order_by("pk")[: most + 1])
    if 0 < len(rows) <= most:
        return modeladmin.confirmation(request, action, rows, action.form(rows))
    modeladmin.message_user(request, _("Choose 1 to %(most)d rows.") % {"most": most}, messages.WARNING)
    return None


def _performed(
    action: EntryAction, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]
) -> tuple[int, str]:
    try:
        return messages.SUCCESS, str(action.perform(place=place, ids=ids, data=data))
    except Problem as problem:
        return messages.ERROR, problem.detail
    except RemoteError as error:
        said = _("The provider did not carry it out (%(code)s). Look again before you repeat it.")
        return messages.ERROR, said % {"code": error.code}
