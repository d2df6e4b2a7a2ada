"""Sites for platform administrators; assets for the staff of their site."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.validators import RegexValidator
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from apps.sites.models import Asset, CustodyProvider, Site
from apps.sites.scope import site_scope
from apps.sites.scoped_admin.base import PlatformAdmin, SiteModelForm, WritableAdmin

ADDRESS = RegexValidator(r"^0x[0-9a-fA-F]{40}\Z", _("0x and 40 hexadecimal digits"))
CURRENCY = r"^[A-Z]{3}\Z"


class SiteForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A site; its currencies are a comma list."""

    def clean_host(self) -> str | None:
        """Lower case, as a Host header is compared; empty is no host, which many sites may have."""
        return (self.cleaned_data["host"] or "").strip().lower() or None

    def clean_currencies(self) -> list[str]:
        """Codes in capitals, each once."""
        codes = list(dict.fromkeys(code.strip() for code in self.cleaned_data["currencies"]))
        for code in codes:
            RegexValidator(CURRENCY, _("Each is three capital letters."))(code)
        return codes


@admin.register(Site)
class SiteAdmin(PlatformAdmin):
    form = SiteForm
    list_display = ("code", "name", "host", "is_active", "registration_open", "approval_rule", "created_at")
    list_filter = ("is_active",)
    search_fields = ("id", "code", "host")
    ordering = ("code",)
    fields = (
        "id",
        "code",
        "name",
        "host",
        "is_active",
        "registration_open",
        "currencies",
        "approval_rule",
        "wallet_domain",
        "wallet_cooling_off_hours",
        "wallet_proof_required",
        "time_zone",
        "created_at",
    )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A site is changed in its own scope: its history belongs to it."""
        site_id = _site_id(object_id)
        if request.method != "POST" or site_id is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        with site_scope(site_id):
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        # The code is in clients' headers and in people's heads.
        return ("id", "created_at", "code") if obj is not None else ("id", "created_at")


def _site_id(object_id: str | None) -> UUID | None:
    """None for a new site, and for what is no id: Django's page says so."""
    try:
        return UUID(object_id or "")
    except ValueError:
        return None


class AssetForm(SiteModelForm):
    """A token. Where it lives on chain and at the custodian is checked in form only."""

    def clean(self) -> dict[str, Any]:
        """A hot wallet sends from its address, to a contract."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("custody_provider") == CustodyProvider.EVM and "custody_vault_id" in cleaned:
            ADDRESS(cleaned["custody_vault_id"])
        return cleaned

    def clean_contract_address(self) -> str:
        """An address, or empty for a chain's own coin."""
        address: str = self.cleaned_data["contract_address"].strip()
        if address:
            ADDRESS(address)
        return address


# Not for the staff of the site: whoever may raise the limit needs no second person any more, and provider and
# depth decide what counts as sent.
PLATFORM_ONLY = ("auto_approve_below_base_units", "custody_provider", "confirmations")


@admin.register(Asset)
class AssetAdmin(WritableAdmin):
    form = AssetForm
    list_display = ("code", "name", "decimals", "chain_id", "contract_address", "created_at")
    search_fields = ("id", "code")
    ordering = ("code",)
    # Amounts are stored in base units: other decimals would change what everybody owns.
    fixed = ("code", "decimals", "chain_id", "contract_address", "custody_asset_id")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if _is_platform_admin(request) else [*fields, *PLATFORM_ONLY]


def _is_platform_admin(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_platform_admin", False))
