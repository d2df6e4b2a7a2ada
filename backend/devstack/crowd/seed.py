"""The site of a crowd: `python -m devstack.crowd.seed` in the stack's environment reads a plan, prints the site.

Joining and wallets are not what is raced for, so buyers are made in bulk; ordering goes over HTTP.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from typing import Any

import django

from devstack.crowd.people import LIMIT_UNITS, Sale

SITE_CODE = "CROWD"
PRICE_MINOR = 2_500
_BATCH = 1_000


def site_made(*, buyers: int, units: int) -> dict[str, Any]:
    """The site with its two tiers and so many buyers. ENTRY."""
    from django.utils import timezone

    from apps.core.context import acting_as
    from apps.core.ids import uuid7
    from apps.sites.scope import site_scope
    from apps.sites.services import asset_create, site_create
    from apps.tiers.models import Tier
    from apps.vesting.models import VestingPolicy

    with acting_as("command", "crowd"), site_scope(uuid7()):
        site_create(code=SITE_CODE, name="Crowd", currencies=["USD"])
        asset = asset_create(
            code="POSX",
            name="POSX token",
            decimals=18,
            chain_id=1,
            custody_asset_id="POSX_TEST",
            custody_vault_id="0",
        )
        policy = VestingPolicy(
            name="Yearly",
            tge_basis_points=0,
            cliff_count=1,
            cliff_unit="year",
            parts=2,
            period_count=1,
            period_unit="year",
        )
        policy.full_clean()
        policy.save(force_insert=True)
        tiers = {}
        for sale, supply_units in ((Sale.RUSH, units), (Sale.CLOSING, buyers * LIMIT_UNITS)):
            tier = Tier(
                name=sale.value,
                asset=asset,
                policy=policy,
                price_minor=PRICE_MINOR,
                currency="USD",
                tokens_per_unit_base_units=100 * 10**18,
                supply_units=supply_units,
                per_buyer_limit_units=LIMIT_UNITS,
                opens_at=timezone.now() - timedelta(minutes=1),
            )
            tier.full_clean()
            tier.save(force_insert=True)
            tiers[sale.value] = str(tier.id)
        return {"code": SITE_CODE, "tiers": tiers, "buyers": _buyers_made(buyers)}


def _buyers_made(count: int) -> list[tuple[str, str]]:
    """(subject, wallet id) of each."""
    import secrets

    from apps.accounts.addresses import checksum_address
    from apps.accounts.models import Identity, Membership, Wallet

    identities = [Identity(subject=f"crowd|{number}") for number in range(count)]
    for identity in identities:
        identity.set_unusable_password()
    Identity.objects.bulk_create(identities, batch_size=_BATCH)
    members = [Membership(identity=identity) for identity in identities]
    Membership.objects.bulk_create(members, batch_size=_BATCH)
    wallets = [
        Wallet(member=member, address=checksum_address(f"0x{secrets.token_hex(20)}")) for member in members
    ]
    Wallet.objects.bulk_create(wallets, batch_size=_BATCH)
    return [(identity.subject, str(wallet.id)) for identity, wallet in zip(identities, wallets, strict=True)]


def main() -> None:
    """Read the plan from stdin, print the site."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    print(json.dumps(site_made(**json.load(sys.stdin))))


if __name__ == "__main__":
    main()
