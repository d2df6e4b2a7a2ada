"""What staff type to make a vesting policy."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Max
from django.forms.fields import InvalidJSONInput
from django.utils.translation import gettext as _

from apps.sites.scope import current_site_id
from apps.sites.scoped_admin.base import SiteModelForm
from apps.vesting.models import COLUMNS_OF_VERSION_1, TERMS_FIELDS, VestingPolicy
from apps.vesting.policies import policy_columns
from apps.vesting.schedule import TermsError
from apps.vesting.stored_terms import refusal_of


class TermsJson(forms.JSONField):
    """Terms of version 2; brackets nested by the thousand are refused and not a fault of ours."""

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except RecursionError:
            raise forms.ValidationError(_("It is nested too deeply."), code="invalid") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What the page shows again."""
        try:
            return super().bound_data(data, initial)
        except RecursionError:
            return InvalidJSONInput(data)


class VestingPolicyForm(SiteModelForm):
    """Refuses terms that make no schedule: the same arithmetic decides here as when an order is paid."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, value in {
            "cliff_count": 0,
            "cliff_unit": "month",
            "period_count": 1,
            "period_unit": "month",
        }.items():
            if name in self.fields:
                self.fields[name].initial = value

    def clean(self) -> dict[str, Any]:
        """The terms as a whole, and the version: the same name again is its next one."""
        data = super().clean() or {}
        if not self.instance._state.adding:
            return data  # what can be changed says nothing of the terms
        if data.get("name"):
            self.instance.version = _next_version(data["name"])
        if set(TERMS_FIELDS) <= set(data) and (data["terms"] is not None or self._whole(data)):
            self._store(data)
        return data

    def _whole(self, data: dict[str, Any]) -> bool:
        missing = [name for name in COLUMNS_OF_VERSION_1 if data[name] in (None, "")]
        for name in missing:
            self.add_error(name, _("Needed where there are no terms of version 2."))
        return not missing

    def _store(self, data: dict[str, Any]) -> None:
        columns = {
            name: data[name] or None if name.endswith("_unit") else data[name]
            for name in COLUMNS_OF_VERSION_1
        }
        try:
            stored = policy_columns(terms=data["terms"], columns=columns, starts_at=data.get("starts_at"))
        except TermsError as error:
            refusal = refusal_of(error)
            said = _("These terms make no schedule (%(code)s): %(why)s")
            where = f"{refusal['field']}: " if refusal["field"] else ""
            self.add_error(None, said % {"code": error.code, "why": where + refusal["detail"]})
        else:
            data.update(stored)


def _next_version(name: str) -> int:
    versions = VestingPolicy.objects.filter(site_id=current_site_id(), name=name)
    return (versions.aggregate(newest=Max("version"))["newest"] or 0) + 1
