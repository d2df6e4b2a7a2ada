"""What staff type to put a tier on sale, in whole tokens."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.amounts import format_base_units, parse_tokens
from apps.sites.models import Asset, Site
from apps.sites.scope import current_site_id
from apps.sites.scoped_admin.base import SiteModelForm
from apps.tiers.models import Tier
from apps.vesting.policies import policy_refuse_unfit
from apps.vesting.schedule import TermsError
from apps.vesting.stored_terms import refusal_of


class TierForm(SiteModelForm):
    """A tier; tokens a unit are typed in whole tokens, as counting eighteen zeros by hand goes wrong once."""

    currency = forms.ChoiceField(label=gettext_lazy("Currency"))
    tokens_per_unit = forms.CharField(
        label=gettext_lazy("Tokens a unit"), max_length=120, help_text=gettext_lazy("Whole tokens, like 12.5")
    )

    class Meta:
        model = Tier
        fields = (
            "name",
            "asset",
            "policy",
            "price_minor",
            "currency",
            "supply_units",
            "per_buyer_limit_units",
            "opens_at",
            "closes_at",
            "is_active",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "currency" not in self.fields:  # a page that is only looked at
            return
        allowed = Site.objects.get(id=current_site_id()).currencies
        # A tier keeps the currency that it was made with, also when the site no longer sells in it.
        kept = [self.instance.currency] if self.instance.currency else []
        self.fields["currency"].choices = [(code, code) for code in dict.fromkeys([*allowed, *kept])]  # type: ignore[attr-defined]
        if not self.instance._state.adding:
            shown = format_base_units(self.instance.tokens_per_unit_base_units, self.instance.asset.decimals)
            self.initial["tokens_per_unit"] = shown

    def clean(self) -> dict[str, Any]:
        """The amount in the asset's decimals, the window, and the supply against what is gone."""
        data = super().clean() or {}
        self._clean_tokens(data)
        self._clean_policy(data)
        if data.get("closes_at") and data.get("opens_at") and data["closes_at"] <= data["opens_at"]:
            self.add_error("closes_at", _("It closes before it opens."))
        taken = self.instance.reserved_units + self.instance.sold_units
        if data.get("supply_units") is not None and data["supply_units"] < max(taken, 1):
            self.add_error("supply_units", _("At least %(taken)d.") % {"taken": max(taken, 1)})
        if data.get("price_minor") == 0:
            self.add_error("price_minor", _("At least 1."))
        return data

    def columns_to_save(self) -> set[str]:
        changed = super().columns_to_save()
        return {"tokens_per_unit_base_units" if n == "tokens_per_unit" else n for n in changed}

    def _clean_tokens(self, data: dict[str, Any]) -> None:
        asset = data.get("asset") or (None if self.instance._state.adding else self.instance.asset)
        if not isinstance(asset, Asset) or not data.get("tokens_per_unit"):
            return
        try:
            amount = parse_tokens(data["tokens_per_unit"].strip(), asset.decimals)
        except ValueError as error:
            self.add_error("tokens_per_unit", str(error))
            return
        if amount == 0:
            self.add_error("tokens_per_unit", _("More than nothing."))
        self.instance.tokens_per_unit_base_units = amount

    def _clean_policy(self, data: dict[str, Any]) -> None:
        """Every order has to make a schedule: what a unit is too small for would be found out after payment."""
        asset = data.get("asset") or (None if self.instance._state.adding else self.instance.asset)
        policy, amount = data.get("policy"), self.instance.tokens_per_unit_base_units
        wanted = {"policy", "tokens_per_unit", "asset"} & set(self.changed_data)
        if self.errors or not wanted or not (isinstance(asset, Asset) and policy and amount):
            return
        try:
            policy_refuse_unfit(policy=policy, asset=asset, smallest_base_units=amount)
        except TermsError as error:
            said = _("One unit makes no schedule under this policy (%(code)s): %(why)s")
            self.add_error("policy", said % {"code": error.code, "why": refusal_of(error)["detail"]})
