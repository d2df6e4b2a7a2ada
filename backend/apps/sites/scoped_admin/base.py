"""The admin classes of models that belong to a site, and of those that belong to the whole installation."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Model, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from apps.sites.scope import current_site_id
from apps.sites.scoped_admin.actions import EntryActions
from apps.sites.scoped_admin.columns import Cell
from apps.sites.scoped_admin.log import NeutralLog
from apps.sites.scoped_admin.paging import BoundedPaginator
from apps.sites.scoped_admin.place import place_of
from apps.sites.scoped_admin.search import ExactSearch

INLINE_LIMIT = 100


class ScopedAdmin(EntryActions, ExactSearch, NeutralLog):
    """Rows of the chosen site, to be looked at: what the domain decides is changed by its services only.

    ``cells`` stand before the columns on an object's page; ``hidden`` columns stay away from it.
    """

    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    sortable_by: ClassVar[Any] = ()  # a click on a column without an index would sort the whole table
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each choice of a filter would be counted
    paginator = BoundedPaginator
    list_per_page = 50
    view_on_site = False
    cells: ClassVar[tuple[Cell, ...]] = ()
    hidden: ClassVar[tuple[str, ...]] = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return place_of(request) is not None

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return place_of(request) is not None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The policy would do; naming the site as well gives the planner its statistics back."""
        return super().get_queryset(request).filter(site_id=current_site_id())

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        shown = {getattr(cell, "stands_for", "") for cell in self.cells} | {"site", *self.hidden}
        return [*self.cells, *(f.name for f in self.opts.concrete_fields if f.name not in shown)]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.get_fields(request, obj)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The audit rows of one object, newest first, in place of Django's log."""
        obj = self.get_object(request, object_id)
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        context = {
            **self.admin_site.each_context(request),
            "title": _("History"),
            "opts": self.opts,
            "object": obj,
            "events": self.admin_site.history_of(obj),  # type: ignore[attr-defined]
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/audit_history.html", context)


class SiteModelForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Validates what the form does not show but the site decides: unique keys lead with ``site``."""

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"site"}

    def columns_to_save(self) -> set[str]:
        """The columns that were changed; a form whose fields have other names overrides this."""
        return set(self.changed_data)


class WritableAdmin(ScopedAdmin):
    """Rows that operators and approvers make and change; ``fixed`` columns are only set when a row is made."""

    form = SiteModelForm
    sortable_by: ClassVar[Any] = None
    fixed: ClassVar[tuple[str, ...]] = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        place = place_of(request)
        return place is not None and place.may_write

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_add_permission(request)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return super().get_fields(request, obj) if obj is not None else self.columns_of_a_new_row()

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is None:
            return []
        kept = [field.name for field in self.opts.concrete_fields if not field.editable]
        return [*self.cells, *kept, *self.fixed]

    def columns_of_a_new_row(self) -> list[str]:
        """What is asked for when a row is made."""
        return [f.name for f in self.opts.concrete_fields if f.editable and f.name not in self.hidden]

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Write the changed columns only: the others may have moved since the page was read."""
        if not change:
            obj.save(force_insert=True)
        elif changed := form.columns_to_save():
            obj.save(update_fields=changed)


class _FirstRows(BaseInlineFormSet):  # type: ignore[type-arg]  # generic in the stubs only
    def get_queryset(self) -> QuerySet[Any]:
        if not hasattr(self, "_queryset"):
            self._queryset = super().get_queryset()[:INLINE_LIMIT]
        return self._queryset


class ReadOnlyInline(admin.TabularInline):  # type: ignore[type-arg]  # generic in the stubs only
    """The first rows that hang on an object; the whole is in their own list."""

    formset = _FirstRows
    extra = 0
    can_delete = False
    show_change_link = True
    ordering: ClassVar[tuple[str, ...]] = ("id",)
    shown: ClassVar[tuple[str | Cell, ...]] = ()

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return place_of(request) is not None

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.shown

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.shown


class PlatformAdmin(ExactSearch, NeutralLog):
    """Rows of the whole installation, for platform administrators; never deleted here."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    view_on_site = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Django looks for the object first, and so tells whoever may not see it whether it exists.
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)


class PlatformReadOnly(PlatformAdmin):
    """Looked at only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return [field.name for field in self.opts.concrete_fields]
