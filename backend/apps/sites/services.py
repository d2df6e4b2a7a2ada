"""Making a site and what it sells. Step functions: the caller opens ``site_scope(site_id)`` with the new id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apps.sites.models import ApprovalRule, Asset, CustodyProvider, Site
from apps.sites.scope import current_site_id, require_scope

_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


def site_create(
    *,
    code: str,
    name: str,
    currencies: Sequence[str],
    host: str | None = None,
    registration_open: bool = True,
    approval_rule: ApprovalRule = ApprovalRule.TWO_PEOPLE,
    wallet_domain: str = "",
) -> Site:
    """The site whose id the open scope has. Step. Raises ValidationError, for a code or host in use too.

    In one transaction with its assets and staff: half a site would be open for joining.
    """
    if len(set(currencies)) < len(currencies) or not all(map(_CURRENCY.fullmatch, currencies)):
        raise ValidationError({"currencies": _("Different ISO 4217 codes of three capitals.")})
    site = Site(
        id=require_scope(),
        code=code,
        name=name,
        currencies=list(currencies),
        # The middleware compares in lower case; an empty text would be a second site's empty text too.
        host=host.lower() if host else None,
        registration_open=registration_open,
        wallet_domain=wallet_domain,
        approval_rule=approval_rule,
    )
    site.full_clean()
    site.save(force_insert=True)
    return site


def asset_create(
    *,
    code: str,
    name: str,
    decimals: int,
    chain_id: int,
    custody_asset_id: str,
    custody_vault_id: str,
    contract_address: str = "",
    custody_provider: str = CustodyProvider.FIREBLOCKS,
) -> Asset:
    """A token of the open scope's site. Step. Raises ValidationError, for a code in use too."""
    require_scope()
    asset = Asset(
        code=code,
        name=name,
        decimals=decimals,
        chain_id=chain_id,
        contract_address=contract_address,
        custody_asset_id=custody_asset_id,
        custody_vault_id=custody_vault_id,
        custody_provider=custody_provider,
    )
    asset.full_clean()
    asset.save(force_insert=True)
    return asset


def site_id_of(*, code: str) -> UUID | None:
    """The id of the site with that code; sites belong to no scope."""
    return Site.objects.filter(code=code).values_list("id", flat=True).first()


def site_codes() -> dict[UUID, str]:
    """Every site's code by its id, in the order of codes; sites belong to no scope."""
    return dict(Site.objects.order_by("code").values_list("id", "code"))


def asset_code_of(*, asset_id: UUID) -> str:
    """The code of an asset of the open scope's site; empty when there is none. Reads only."""
    rows = Asset.objects.filter(site_id=current_site_id(), id=asset_id)
    return rows.values_list("code", flat=True).first() or ""
