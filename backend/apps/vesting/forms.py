"""What staff type to make a vesting policy."""

from __future__ import annotations

from typing import Any

from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.sites.scope import current_site_id
from apps.sites.scoped_admin.base import SiteModelForm
from apps.vesting.models import TERMS_FIELDS, VestingPolicy
from apps.vesting.schedule import MAX_BASE_UNITS, Terms, TermsError, parts_of


class VestingPolicyForm(SiteModelForm):
    """Refuses terms that make no schedule: the same arithmetic decides here as when an order is paid."""

    def clean(self) -> dict[str, Any]:
        """The terms as a whole, and the version: the same name again is its next one."""
        data = super().clean() or {}
        if self.instance._state.adding and data.get("name"):
            self.instance.version = _next_version(data["name"])
        self._refuse_impossible(data)
        return data

    def _refuse_impossible(self, data: dict[str, Any]) -> None:
        if any(name in self.fields and name not in data for name in TERMS_FIELDS):
            return  # a field of them was refused already
        terms = {name: data.get(name, getattr(self.instance, name)) for name in TERMS_FIELDS}
        try:
            # The largest amount has every part, so that the last date is tried too.
            parts_of(MAX_BASE_UNITS, Terms(**terms), data.get("starts_at") or timezone.now())
        except TermsError as error:
            said = _("These terms make no schedule (%(code)s): %(why)s")
            self.add_error(None, said % {"code": error.code, "why": error})


def _next_version(name: str) -> int:
    versions = VestingPolicy.objects.filter(site_id=current_site_id(), name=name)
    return (versions.aggregate(newest=Max("version"))["newest"] or 0) + 1
