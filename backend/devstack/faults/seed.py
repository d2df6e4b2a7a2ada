"""The sites of a campaign: `python -m devstack.faults.seed` in the stack's environment reads plans and prints sites.

Each site sells one tier whose releases are all due at once: a share at the start and two parts, in the past.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from typing import Any

import django

UNITS_ON_SALE = 1_000_000
TOKENS_A_UNIT = 100


def site_made(plan: dict[str, Any]) -> dict[str, Any]:
    """One site by its plan: code, asset's decimals and custody. ENTRY."""
    from django.utils import timezone

    from apps.accounts.models import Role
    from apps.accounts.services import identity_ensure, member_ensure
    from apps.core.context import acting_as
    from apps.core.ids import uuid7
    from apps.sites.models import Asset
    from apps.sites.scope import site_scope
    from apps.sites.services import asset_create, site_create
    from apps.tiers.models import Tier
    from apps.vesting.models import VestingPolicy

    now = timezone.now()
    with acting_as("command", "faults"), site_scope(uuid7()) as site_id:
        site_create(code=plan["code"], name=plan["code"], currencies=["USD"])
        asset = asset_create(code="POSX", name="POSX token", **plan["asset"])
        Asset.objects.filter(site_id=site_id, id=asset.id).update(confirmations=plan["confirmations"])
        policy = VestingPolicy(
            name="All due",
            tge_basis_points=3333,
            cliff_count=0,
            cliff_unit="day",
            parts=2,
            period_count=1,
            period_unit="day",
            starts_at=now - timedelta(days=10),
        )
        policy.full_clean()
        policy.save(force_insert=True)
        tier = Tier(
            name="Sale",
            asset=asset,
            policy=policy,
            price_minor=2_500,
            currency="USD",
            tokens_per_unit_base_units=TOKENS_A_UNIT * 10**asset.decimals + 1,
            supply_units=UNITS_ON_SALE,
            opens_at=now - timedelta(minutes=1),
        )
        tier.full_clean()
        tier.save(force_insert=True)
        staff = {"operator": Role.OPERATOR, "approver": Role.APPROVER}
        for name, role in staff.items():
            member_ensure(identity=identity_ensure(subject=f"faults|{plan['code']}|{name}"), role=role)
        return {
            **plan,
            "site_id": str(site_id),
            "asset_id": str(asset.id),
            "tier_id": str(tier.id),
            "operator": f"faults|{plan['code']}|operator",
            "approver": f"faults|{plan['code']}|approver",
        }


def main() -> None:
    """Read the plans from stdin, print the sites."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    print(json.dumps([site_made(plan) for plan in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
