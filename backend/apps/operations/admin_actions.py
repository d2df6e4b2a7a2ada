"""What staff say about a difference that the three-way check found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.operations.models import Difference
from apps.operations.threeway.record import difference_acknowledge
from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.place import StaffPlace


class ReasonForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Why it may stand"), max_length=500)


class Acknowledge(EntryAction):
    """The difference stays open, and is looked at once a day instead of every few minutes."""

    name = "acknowledge"
    title = gettext_lazy("Acknowledge")

    def fits(self, row: Difference) -> bool:
        return row.closed_at is None and row.acknowledged_by_id is None

    def form(self, rows: Sequence[Difference], data: Any = None) -> forms.Form:
        return ReasonForm(data)

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        done = difference_acknowledge(ids=ids, member_id=place.member_id, reason=data["reason"])
        return _("%(count)d acknowledged.") % {"count": done}
