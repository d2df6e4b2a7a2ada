"""An action of a second person on a row that waits for one: with a note, one row at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy

from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.place import StaffPlace


class DecisionForm(forms.Form):
    note = forms.CharField(label=gettext_lazy("What you looked at, or why not"), max_length=500)


class Decision(EntryAction):
    """For approvers, on rows in ``state``. That nobody decides what they asked for is the service's to refuse."""

    one_only = True
    state: ClassVar[str] = "asked"

    def allowed(self, place: StaffPlace) -> bool:
        """Approvers only."""
        return place.may_approve

    def fits(self, row: Any) -> bool:
        """What is decided already, is."""
        return bool(row.state == self.state)

    def form(self, rows: Sequence[Any], data: Any = None) -> forms.Form:
        """The note."""
        return DecisionForm(data)
