"""The demo site: what `make up` and `make demo` start from. Running it again changes nothing that is there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import models
from django.utils import timezone

from apps.accounts.models import Identity, Role
from apps.accounts.services import identity_ensure, login_ensure, member_ensure
from apps.core.ids import uuid7
from apps.operations.services.site_setup import generated_password
from apps.sites.models import Asset, Site
from apps.sites.scope import current_site_id, site_scope
from apps.sites.services import asset_create, site_create, site_id_of
from apps.tiers.models import Tier
from apps.vesting.models import VestingPolicy

SITE_CODE = "DEMO"
ADMIN = "demo-admin"
BUYER = "demo|buyer"
STAFF = {
    "operator": ("demo|operator", Role.OPERATOR),
    "approver": ("demo|approver", Role.APPROVER),
    "auditor": ("demo|auditor", Role.AUDITOR),
}
# Four and a half months: the part at the start and the first monthly ones are due from the first purchase on.
SEED_ROUND_AGE = timedelta(days=137)
Row = TypeVar("Row", bound=models.Model)
_TERMS = {"cliff_count": 1, "cliff_unit": "month", "parts": 12, "period_count": 1, "period_unit": "month"}


@dataclass(frozen=True)
class DemoSeed:
    """What the demo needs to know. ``admin_password`` is None when it was set by an earlier run."""

    site_code: str
    admin_username: str
    admin_password: str | None
    buyer_subject: str
    staff: dict[str, str]
    tier_id: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def demo_seed(*, admin_password: str | None = None) -> DemoSeed:
    """Make what is missing of the demo site, in one transaction; entry.

    A given ``admin_password`` becomes the admin's; without one a new admin gets a generated password, and an
    older one keeps what it has. The buyer is no member yet: joining is part of the demo.
    """
    now = timezone.now()
    with site_scope(site_id_of(code=SITE_CODE) or uuid7()) as site_id:
        if not Site.objects.filter(id=site_id).exists():
            site_create(
                code=SITE_CODE, name="Demo sale", currencies=["USD", "EUR"], wallet_domain="localhost"
            )
        asset = _asset()
        tier = _seed_round(asset, now)
        _from_payment(asset, now)
        for subject, role in STAFF.values():
            member_ensure(identity=identity_ensure(subject=subject), role=role)
        password = _admin(admin_password)
    return DemoSeed(
        site_code=SITE_CODE,
        admin_username=ADMIN,
        admin_password=password,
        buyer_subject=BUYER,
        staff={name: subject for name, (subject, _role) in STAFF.items()},
        tier_id=str(tier.id),
    )


def _asset() -> Asset:
    return Asset.objects.filter(site_id=current_site_id(), code="POSX").first() or asset_create(
        code="POSX",
        name="POSX token",
        decimals=18,
        chain_id=1,
        custody_asset_id="POSX_TEST",
        custody_vault_id="0",
    )


def _seed_round(asset: Asset, now: datetime) -> Tier:
    starts_at = (now - SEED_ROUND_AGE).replace(hour=0, minute=0, second=0, microsecond=0)
    policy = _policy("Seed round", tge_basis_points=1000, starts_at=starts_at)
    return _tier(
        "Seed round", asset, policy, now, price_minor=2_500, currency="USD", per_buyer_limit_units=1_000
    )


def _from_payment(asset: Asset, now: datetime) -> Tier:
    policy = _policy("From payment", tge_basis_points=2000, starts_at=None)
    return _tier(
        "Public sale", asset, policy, now, price_minor=3_000, currency="EUR", per_buyer_limit_units=500
    )


def _policy(name: str, **fields: Any) -> VestingPolicy:
    known = VestingPolicy.objects.filter(site_id=current_site_id(), name=name).order_by("-version").first()
    return known or _saved(VestingPolicy(name=name, **_TERMS, **fields))


def _tier(name: str, asset: Asset, policy: VestingPolicy, now: datetime, **fields: Any) -> Tier:
    known = Tier.objects.filter(site_id=current_site_id(), name=name).order_by("id").first()
    return known or _saved(
        Tier(
            name=name,
            asset=asset,
            policy=policy,
            tokens_per_unit_base_units=100 * 10**asset.decimals,
            supply_units=100_000,
            opens_at=now - timedelta(minutes=1),
            **fields,
        )
    )


def _saved(row: Row) -> Row:
    row.full_clean()
    row.save(force_insert=True)
    return row


def _admin(given: str | None) -> str | None:
    """The admin's password, when this run knows it."""
    password = given or generated_password()
    login, is_new = login_ensure(subject=ADMIN, password=password, is_platform_admin=True)
    member_ensure(identity=login, role=Role.APPROVER)
    if given and not is_new and not login.check_password(given):
        login.set_password(given)
        Identity.objects.filter(id=login.id).update(password=login.password)
    return password if given or is_new else None
