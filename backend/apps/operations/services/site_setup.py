"""A new site with all that it needs to open: asset, first login, staff. One transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.contrib.auth.password_validation import validate_password

from apps.accounts.addresses import checksum_address
from apps.accounts.models import Identity, Role
from apps.accounts.services import identity_ensure, login_ensure, member_ensure
from apps.core.ids import uuid7
from apps.sites.models import Site
from apps.sites.scope import site_scope
from apps.sites.services import asset_create, site_create


@dataclass(frozen=True, kw_only=True)
class NewAsset:
    code: str
    name: str
    decimals: int
    chain_id: int
    custody_asset_id: str
    custody_vault_id: str
    contract_address: str = ""


@dataclass(frozen=True, kw_only=True)
class NewSite:
    """``login`` is the name of the first person in the admin; ``members`` are subjects of tokens with roles."""

    code: str
    name: str
    currencies: Sequence[str]
    asset: NewAsset
    login: str
    login_role: Role = Role.APPROVER
    login_password: str = field(repr=False)
    is_platform_admin: bool = False
    host: str | None = None
    members: Mapping[str, Role] = field(default_factory=dict)


def site_set_up(*, plan: NewSite) -> tuple[Site, bool]:
    """Make the site; entry. Returns (site, whether the login is new: an older one keeps its password).

    Raises ValidationError, addresses.InvalidAddress for the contract, and Problem 409 login_is_token.
    """
    # Only a password that will be used is worth refusing.
    if not Identity.objects.filter(subject=plan.login).exists():
        validate_password(plan.login_password, Identity(subject=plan.login))
    contract = plan.asset.contract_address and checksum_address(plan.asset.contract_address)
    with site_scope(uuid7()):
        site = site_create(code=plan.code, name=plan.name, currencies=plan.currencies, host=plan.host)
        asset_create(**{**vars(plan.asset), "contract_address": contract})
        login, is_new = login_ensure(
            subject=plan.login, password=plan.login_password, is_platform_admin=plan.is_platform_admin
        )
        member_ensure(identity=login, role=plan.login_role)
        for subject, role in plan.members.items():
            member_ensure(identity=identity_ensure(subject=subject), role=role)
    return site, is_new


def generated_password() -> str:
    """A password that nobody has to think of; 24 characters of 6 bits."""
    return secrets.token_urlsafe(18)
