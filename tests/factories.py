"""Rows that tests start from. Each takes only what a test is about and commits in a scope of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.addresses import checksum_address
from apps.accounts.models import Identity, Membership, Role, Wallet, WalletChange, WalletProof
from apps.core.context import acting_as
from apps.sites.models import Asset, Site
from apps.sites.scope import site_scope
from apps.subscriptions.catalogue import EVENT_TYPES
from apps.subscriptions.models import Subscription
from apps.subscriptions.sealing import seal
from apps.subscriptions.signing import new_secret
from apps.tiers.models import Tier
from apps.vesting.models import VestingPolicy
from apps.webhooks.models import InboxEvent


@contextmanager
def in_site(site: Site) -> Iterator[None]:
    """A scope of the site with an actor, for arranging and for looking at rows afterwards."""
    with acting_as("command", "test"), site_scope(site.id):
        yield


def make_site(code: str = "NA", **fields: Any) -> Site:
    """An active site that sells in USD and EUR and lets anybody join."""
    return Site.objects.create(
        **{"code": code, "name": f"Sale {code}", "currencies": ["USD", "EUR"]} | fields
    )


def make_asset(site: Site, code: str = "POSX", **fields: Any) -> Asset:
    """A token with 18 decimals."""
    defaults: dict[str, Any] = {
        "name": f"{code} token",
        "decimals": 18,
        "chain_id": 1,
        "custody_asset_id": f"{code}_TEST",
        "custody_vault_id": "0",
    }
    with in_site(site):
        return Asset.objects.create(code=code, **defaults | fields)


def make_identity(subject: str | None = None, **fields: Any) -> Identity:
    """A person without a password."""
    return Identity.objects.create_user(subject or f"test|{secrets.token_hex(6)}", **fields)


def make_member(
    site: Site, role: Role | str = Role.BUYER, *, subject: str | None = None, **fields: Any
) -> Membership:
    """A member of the site, with an identity of their own unless ``identity`` or a known subject is given."""
    identity = fields.pop("identity", None) or Identity.objects.filter(subject=subject or "").first()
    with in_site(site):
        return Membership.objects.create(identity=identity or make_identity(subject), role=role, **fields)


def make_address() -> str:
    """A random address with its EIP-55 checksum."""
    return checksum_address(f"0x{secrets.token_hex(20)}")


def make_wallet(member: Membership, address: str | None = None, **fields: Any) -> Wallet:
    """The member's active wallet."""
    with in_site(member.site):
        return Wallet.objects.create(member=member, address=address or make_address(), **fields)


def make_proof(
    member: Membership, purpose: str, address: str, other_address: str = "", **fields: Any
) -> WalletProof:
    """A stored proof; what was signed is not looked at any more."""
    defaults: dict[str, Any] = {
        "chain_id": 1,
        "method": "eip191",
        "nonce": secrets.token_hex(36),
        "message": "signed",
        "signature": "0x01",
        "expires_at": timezone.now() + timedelta(minutes=15),
    }
    with in_site(member.site):
        return WalletProof.objects.create(
            member=member, purpose=purpose, address=address, other_address=other_address, **defaults | fields
        )


def make_change(wallet: Wallet, *, by_old: bool = True, new_address: str | None = None) -> WalletChange:
    """A change of the wallet's address: cooling off when the old wallet has signed, else waiting for staff."""
    member, address = wallet.member, new_address or make_address()
    leave = make_proof(member, "leave", wallet.address, address) if by_old else None
    move = make_proof(member, "move", address, wallet.address)
    with in_site(member.site):
        change = WalletChange.objects.create(
            member=member,
            old_wallet=wallet,
            new_address=address,
            status="cooling_off" if by_old else "awaiting_staff",
            new_proof=move,
            old_proof=leave,
            reason="" if by_old else "the key is lost",
        )
        change.refresh_from_db()
    return change


def make_policy(site: Site, name: str = "Standard", **fields: Any) -> VestingPolicy:
    """10 % at start, a month of cliff, 12 monthly parts, counted from payment unless ``starts_at`` is given."""
    terms: dict[str, Any] = {
        "tge_basis_points": 1000,
        "cliff_count": 1,
        "cliff_unit": "month",
        "parts": 12,
        "period_count": 1,
        "period_unit": "month",
    }
    with in_site(site):
        return VestingPolicy.objects.create(name=name, **terms | fields)


def make_tier(
    site: Site, *, asset: Asset | None = None, policy: VestingPolicy | None = None, **fields: Any
) -> Tier:
    """An open tier: 100 units of 10.00 USD and 50 tokens each."""
    asset = asset or make_asset(site)
    defaults: dict[str, Any] = {
        "asset": asset,
        "policy": policy or make_policy(site),
        "name": "Early",
        "price_minor": 1000,
        "currency": "USD",
        "tokens_per_unit_base_units": 50 * 10**asset.decimals,
        "supply_units": 100,
        "opens_at": timezone.now() - timedelta(days=1),
    }
    with in_site(site):
        return Tier.objects.create(**defaults | fields)


def make_subscription(site: Site, url: str = "https://192.0.2.1/hook", **fields: Any) -> Subscription:
    """An active subscription to everything."""
    defaults: dict[str, Any] = {
        "name": "Ledger",
        "url": url,
        "event_types": EVENT_TYPES,
        "secret_sealed": seal(new_secret()),
    }
    with in_site(site):
        return Subscription.objects.create(**defaults | fields)


def make_inbox_event(**fields: Any) -> InboxEvent:
    """A received event of Stripe that is due now."""
    defaults: dict[str, Any] = {
        "provider": "stripe",
        "event_id": f"evt_{secrets.token_hex(6)}",
        "event_type": "payment_intent.succeeded",
        "object_id": "pi_1",
        "payload_sha256": "0" * 64,
        "next_attempt_at": Now(),
    }
    return InboxEvent.objects.create(**defaults | fields)
