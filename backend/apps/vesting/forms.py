"""What staff type to make a vesting policy."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from apps.sites.scoped_admin.base import SiteModelForm
from apps.vesting.models import TERMS_FIELDS
from apps.vesting.schedule import Terms, TermsError


class VestingPolicyForm(SiteModelForm):
    """Refuses terms that make no schedule: the same arithmetic decides here as when an order is paid."""

    def clean(self) -> dict[str, Any]:
        """The terms as a whole; they are only asked for when the policy is made."""
        data = super().clean() or {}
        terms = {name: data[name] for name in TERMS_FIELDS if name in data}
        if len(terms) == len(TERMS_FIELDS):
            try:
                Terms(**terms)
            except TermsError as error:
                said = _("These terms make no schedule (%(code)s): %(why)s")
                self.add_error(None, said % {"code": error.code, "why": error})
        return data
