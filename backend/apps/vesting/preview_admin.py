"""The admin's preview of terms: a table and a curve before a policy is made of them."""

from __future__ import annotations

import json
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.amounts import format_base_units, parse_tokens
from apps.core.problems import Problem
from apps.sites.models import Asset
from apps.sites.scope import current_site_id
from apps.sites.scoped_admin.place import place_of
from apps.vesting.curve_drawing import Picture, Series, draw_svg
from apps.vesting.forms import TermsJson
from apps.vesting.models import TERMS_FIELDS, VestingPolicy
from apps.vesting.preview import Preview, terms_preview
from apps.vesting.schedule import MAX_BASE_UNITS

# What a link can carry in every browser; longer terms are pasted.
_LONGEST_LINK = 6_000


class PreviewForm(forms.Form):
    """An amount and terms, either of version 2 or the fields of version 1."""

    amount = forms.CharField(
        label=gettext_lazy("Amount"),
        max_length=120,
        help_text=gettext_lazy("Whole tokens of the asset, like 12.5; base units without one"),
    )
    asset = forms.ChoiceField(label=gettext_lazy("Asset"), required=False)
    starts_at = forms.DateTimeField(
        label=gettext_lazy("Starts at"),
        required=False,
        help_text=gettext_lazy("UTC, like 2027-01-31 00:00; empty: a payment now"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = forms.fields_for_model(VestingPolicy, fields=TERMS_FIELDS, field_classes={"terms": TermsJson})
        self.fields.update(own)
        assets = Asset.objects.filter(site_id=current_site_id()).order_by("code")
        self.assets = {str(asset.id): asset for asset in assets}
        shown = [(key, asset.code) for key, asset in self.assets.items()]
        self.fields["asset"].choices = [("", "---------"), *shown]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """The amount in base units."""
        data = super().clean() or {}
        if "amount" in data and "asset" in data:
            asset = self.assets.get(data["asset"])
            try:
                amount = parse_tokens(data["amount"].strip(), asset.decimals if asset else 0)
            except ValueError as error:
                self.add_error("amount", str(error))
            else:
                data["amount_base_units"] = amount
                if not 1 <= amount <= MAX_BASE_UNITS:
                    self.add_error("amount", _("More than nothing, and at most 2^256 - 1 base units."))
        return data

    def preview(self) -> Preview | None:
        """STEP: what was asked for; a refusal stands in the form's errors."""
        data = self.cleaned_data
        terms = {name: None if data[name] == "" else data[name] for name in TERMS_FIELDS}
        try:
            return terms_preview(
                amount_base_units=data["amount_base_units"],
                starts_at=data["starts_at"],
                asset_id=UUID(data["asset"]) if data["asset"] else None,
                **terms,
            )
        except Problem as problem:
            for error in problem.errors or ():
                where = f"{error['field']}: " if error["field"] else ""
                self.add_error(None, f"{where}{error['detail']} ({error['code']})")
            return None

    def link_to_add(self) -> str | None:
        """The page on which a policy of these terms is made, filled in; None when it would be too long."""
        data = self.cleaned_data
        given = {name: data[name] for name in TERMS_FIELDS[:-1] if data[name] not in (None, "")}
        if data["terms"] is not None:
            given["terms"] = json.dumps(data["terms"])
        if data["starts_at"]:
            given["starts_at"] = data["starts_at"].isoformat()
        link = f"{reverse('admin:vesting_vestingpolicy_add')}?{urlencode(given)}"
        return link if len(link) <= _LONGEST_LINK else None


class PolicyPreview(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Adds the page ``preview/`` to the admin of policies."""

    change_list_template = "admin/policy_change_list.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", view, name="vesting_vestingpolicy_preview"), *super().get_urls()]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """The form; posted, with what its terms make. Nothing is saved."""
        form = PreviewForm(request.POST if request.method == "POST" else None)
        shown = form.preview() if form.is_bound and form.is_valid() else None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Preview of vesting terms"),
            "opts": self.opts,
            "form": form,
            **(_result(shown) if shown else {}),
        }
        place = place_of(request)
        if shown and place is not None and place.may_write:
            context["add_url"] = form.link_to_add()
        return TemplateResponse(request, "admin/policy_preview.html", context)


def prefilled(given: dict[str, Any]) -> dict[str, Any]:
    """What ``link_to_add`` carries, as a form's initial values; what cannot be read is left out."""
    read = dict(given)
    try:
        read["starts_at"] = parse_datetime(given.get("starts_at", ""))
        if "terms" in given:
            read["terms"] = json.loads(given["terms"])
    except (ValueError, RecursionError):
        return {}
    return read


def _result(preview: Preview) -> dict[str, Any]:
    decimals = preview.asset.decimals if preview.asset else 0
    rows, so_far = [], 0
    for part in preview.parts:
        so_far += part.amount_base_units
        amounts = (format_base_units(each, decimals) for each in (part.amount_base_units, so_far))
        rows.append((part.index, part.milestone or f"{part.unlock_at:%Y-%m-%d %H:%M:%S}", *amounts))
    unit = preview.asset.code if preview.asset else _("base units")
    shape: Literal["step", "line"] = "line" if preview.is_continuous else "step"
    series = Series(_("Payable"), preview.curve, shape=shape)
    svg = draw_svg(Picture(_("What is payable over time"), [series], decimals=decimals, unit=unit))
    return {
        "preview": preview,
        "rows": rows,
        "unit": unit,
        "curve": mark_safe(svg),  # noqa: S308 - the drawing escapes its words, and the points are numbers
    }
