"""Why allocations stand still; pausing and resuming them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.base import ScopedAdmin
from apps.sites.scoped_admin.columns import short_id
from apps.sites.scoped_admin.place import StaffPlace
from apps.vesting.freeze_models import Freeze
from apps.vesting.freezing import allocation_pause, allocation_resume


@admin.register(Freeze)
class FreezeAdmin(ScopedAdmin):
    list_display = (
        *(short_id, "created_at", "allocation", "cause", "reason", "begun_by"),
        *("ended_at", "ended_by", "end_reason"),
    )
    list_filter = ("cause",)
    list_select_related = ("allocation", "begun_by__identity", "ended_by__identity")
    search_fields = ("id", "allocation__id")


class ReasonForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=1000)


class Pause(EntryAction):
    """Nothing unlocks or is paid out until it is resumed."""

    name, title, one_only = "pause", gettext_lazy("Pause"), True

    def form(self, rows: Sequence[Any], data: Any = None) -> forms.Form:
        return ReasonForm(data)

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        allocation_pause(allocation_id=ids[0], by_member_id=place.member_id, **data)
        return _("Paused. Transfers under way are left to end.")


class Resume(Pause):
    """Unless a dispute is open, it goes on."""

    name, title = "resume", gettext_lazy("Resume")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        allocation_resume(allocation_id=ids[0], by_member_id=place.member_id, **data)
        return _("The pause has ended.")
