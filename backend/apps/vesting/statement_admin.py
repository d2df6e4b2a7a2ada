"""The page of a beneficiary's statement in the admin, from each of their allocations."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from apps.sites.scoped_admin.base import ScopedAdmin
from apps.vesting.statement_page import page_response
from apps.vesting.statements import statement_of

_NAME = "vesting_allocation_statement"


@admin.display(description=_("statement"))
def statement_link(allocation: Any) -> SafeString:
    """To the beneficiary's statement as of the last midnight."""
    return format_html(
        '<a href="{}">{}</a>', reverse(f"admin:{_NAME}", args=[allocation.pk]), _("As of last midnight")
    )


class HasStatement(ScopedAdmin):
    """Adds the page; whoever may look at the allocation may read it."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.statement_view)
        return [path("<path:object_id>/statement/", view, name=_NAME), *super().get_urls()]

    @method_decorator(require_safe)
    def statement_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The printable statement of the allocation's beneficiary."""
        allocation = self.get_object(request, object_id)
        if allocation is None or not self.has_view_permission(request, allocation):
            raise Http404
        return page_response(statement_of(beneficiary_id=allocation.beneficiary_id))
