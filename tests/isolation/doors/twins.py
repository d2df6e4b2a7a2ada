"""Two sites with the same full set of rows, and a caller of the highest role in each who owns some of all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.models import Membership, Role, Wallet, WalletChange
from apps.accounts.wallet_changes import change_request, change_stop
from apps.accounts.wallet_models import ProofPurpose
from apps.core.context import acting_as
from apps.core.ids import uuid7
from apps.orders.models import Order, Refund
from apps.payouts.batches import PayoutLine, batch_create
from apps.payouts.models import PayoutBatch
from apps.sites.models import Site
from apps.sites.scope import bind_site
from apps.tiers.models import Tier
from apps.tiers.services import tier_reserve
from apps.vesting.freezing import allocation_pause
from apps.vesting.models import Allocation, Receivable
from apps.vesting.revoking_models import Revocation
from apps.vesting.services import allocation_grant
from tests.accounts.signing import Signer, signed_by
from tests.admin.rows import (
    fill_site,
    make_delivery,
    make_held_payout,
    make_milestone,
    make_resolution,
    make_revocation,
    make_settlement,
    make_waiting_allocation,
    unlock_some,
)
from tests.clients import api, api_of
from tests.factories import (
    in_site,
    make_address,
    make_asset,
    make_change,
    make_member,
    make_policy,
    make_tier,
    make_wallet,
)

TOKEN = 10**18


class UnknownParameter(KeyError):
    """An endpoint takes an id or a value that the walk cannot make yet."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Teach tests/isolation/doors/twins.py to make {name!r}: a row for it, or a sample.")


@dataclass(frozen=True)
class Twin:
    """One of the two sites. ``ids`` are rows that the caller may use, by the names that the API gives them."""

    site: Site
    caller: Membership
    ids: dict[str, UUID]
    samples: dict[str, Any]
    members: dict[str, Membership]

    def client(self, role: str = Role.APPROVER) -> APIClient:
        """A client of the member with this role; the approver is the one who owns rows."""
        return api_of(self.members[role])

    def id_of(self, name: str) -> str:
        """The caller's own row for a parameter like ``order_id``. Raises UnknownParameter."""
        try:
            return str(self.ids[name])
        except KeyError:
            raise UnknownParameter(name) from None

    def sample(self, name: str) -> Any:
        """A good value for a field that its schema alone does not describe, or None."""
        return self.samples.get(name)


def stranger_client(site: Site) -> APIClient:
    """Somebody with a valid token who is a member nowhere."""
    return api(site, "test|stranger")


def make_twin(code: str) -> Twin:
    """A site in which there is more than one row of everything that is listed; registration is closed."""
    site = fill_site(code)
    site.host, site.registration_open = f"{code.lower()}.example.test", False
    site.save(update_fields=["host", "registration_open"])
    members = {role.value: make_member(site, role, subject=f"test|{code}-{role}") for role in Role}
    caller, other = members[Role.APPROVER], members[Role.OPERATOR]
    signer = Signer()
    wallet = make_wallet(caller, signer.address)
    make_wallet(caller, is_active=False)
    proofs, own_change, ended_change = _changes(caller, signer, wallet)
    staff_change = make_change(make_wallet(members[Role.BUYER]), by_old=False)
    asset = make_asset(site, "SECOND", custody_asset_id=f"ASSET_OF_{code}")
    policy = make_policy(site, f"Policy of {code}")
    tier = make_tier(site, asset=asset, policy=policy, name=f"Tier of {code}")
    orders = [pending_order(tier, caller, wallet) for _ in range(2)]
    for number in range(3):
        _refund(orders[0], f"re_{code}_{number}")
    allocations = [_allocation(tier, caller) for _ in range(2)]
    releases = [each for each in unlock_some(site) if each.allocation_id == allocations[0].id]
    batch = _batch(site, tier, other)
    with in_site(site):
        paid = Order.objects.get(status="paid")
    delivery = make_delivery(site, name=f"Second of {code}", url=f"https://192.0.2.1/{code}")
    settlement = make_settlement(other)
    with in_site(site):
        Receivable.objects.create(
            allocation_id=settlement.receivable.allocation_id,
            amount_base_units=1,
            cause_kind="refund",
            cause_id=site.id,
        )
    ids = {
        "subscription_id": delivery.subscription_id,
        "delivery_id": delivery.id,
        "order_id": orders[0].id,
        "staff_orders_refunds_create.order_id": paid.id,
        "tier_id": tier.id,
        "wallet_id": wallet.id,
        "asset_id": asset.id,
        "policy_id": policy.id,
        "allocation_id": allocations[0].id,
        "release_id": releases[0].id,
        "batch_id": batch.id,
        "payout_id": make_held_payout(site).id,
        "resolution_id": make_resolution(make_held_payout(site), other).id,
        "revocation_id": make_revocation(allocations[1], other).id,
        "staff_vesting_revocations_stop.revocation_id": _later_revocation(
            _allocation(tier, caller), other
        ).id,
        "staff_vesting_allocations_resume.allocation_id": _paused(_allocation(tier, caller), other),
        "milestone_id": make_milestone(other).id,
        "staff_vesting_allocations_milestone.allocation_id": make_waiting_allocation(site, caller).id,
        "receivable_id": settlement.receivable_id,
        "settlement_id": settlement.id,
        "member_id": members[Role.BUYER].id,
        "beneficiary_id": caller.id,
        "change_id": staff_change.id,
        "ended_change_id": ended_change.id,
        "wallet_changes_stop.change_id": own_change.id,
    }
    samples = {
        "plan_sha256": batch.plan_sha256,
        "address": wallet.address,
        "cliff_count": 0,
        "limit": 50,
        "email": f"caller@{site.host}",
        **proofs,
        "amount_minor": 1,
        "amount_base_units": "1",
        "action": "settle",
        "scope": "all",
        "code": "mainnet",
        "happened_at": "2026-01-01T12:00:00Z",
        "tx_hash": f"0x{batch.id.hex * 2}",
        "url": f"https://93.184.216.34/{code}",
    }
    return Twin(site, caller, ids, samples, members)


def _changes(
    caller: Membership, signer: Signer, wallet: Wallet
) -> tuple[dict[str, Any], WalletChange, WalletChange]:
    """What the caller signs for, a change under way (asked for again, it is the same), and one that was stopped."""
    stopped, new = make_change(wallet), Signer()
    with acting_as("user", str(caller.id)), bind_site(caller.site.id):
        change_stop(change_id=stopped.id, by_member_id=caller.id, reason=f"of {caller.site.code}")
    signed = {
        "proof": signed_by(caller, signer, ProofPurpose.OWN, wallet.address),
        "new_proof": signed_by(caller, new, ProofPurpose.MOVE, new.address),
        "old_proof": signed_by(caller, signer, ProofPurpose.LEAVE, new.address),
    }
    with acting_as("user", str(caller.id)), bind_site(caller.site.id):
        change, _is_new = change_request(
            member_id=caller.id,
            new_address=new.address,
            new_proof=signed["new_proof"],
            old_proof=signed["old_proof"],
        )
    proofs = {name: asdict(each) for name, each in signed.items()}
    return proofs | {"new_address": new.address}, change, stopped


def _paused(allocation: Allocation, by: Membership) -> UUID:
    with acting_as("user", str(by.id)), bind_site(by.site.id):
        allocation_pause(allocation_id=allocation.id, reason="a reason", by_member_id=by.id)
    return allocation.id


def _later_revocation(allocation: Allocation, asked_by: Membership) -> Revocation:
    later = timezone.now() + timedelta(days=1)
    with in_site(asked_by.site):
        return Revocation.objects.create(
            allocation=allocation,
            scope="unvested",
            state="scheduled",
            effective_at=later,
            due_at=later,
            reason="a reason",
            asked_by=asked_by,
        )


def pending_order(tier: Tier, buyer: Membership, wallet: Wallet) -> Order:
    """An order that waits for its payment, with its units reserved."""
    with in_site(buyer.site):
        order = Order.objects.create(
            buyer=buyer,
            tier=tier,
            wallet=wallet,
            policy_id=tier.policy_id,
            quantity_units=1,
            price_minor=tier.price_minor,
            amount_minor=tier.price_minor,
            currency=tier.currency,
            tokens_base_units=tier.tokens_per_unit_base_units,
            expires_at=timezone.now() + timedelta(hours=1),
            next_check_at=timezone.now() + timedelta(hours=1),
        )
        tier_reserve(tier_id=tier.id, buyer_id=buyer.id, quantity_units=1)
    return order


def _refund(order: Order, stripe_refund_id: str) -> None:
    with in_site(order.site):
        Refund.objects.create(
            order=order, amount_minor=1, origin="stripe", status="failed", stripe_refund_id=stripe_refund_id
        )


def _allocation(tier: Tier, beneficiary: Membership) -> Allocation:
    with in_site(beneficiary.site):
        return allocation_grant(
            asset_id=tier.asset_id,
            beneficiary_id=beneficiary.id,
            policy_id=tier.policy_id,
            amount_base_units=50 * TOKEN,
            source_kind="test",
            source_id=uuid7(),
            starts_at=timezone.now() - timedelta(days=100),
        )


def _batch(site: Site, tier: Tier, requested_by: Membership) -> PayoutBatch:
    lines = [PayoutLine(make_address(), amount * TOKEN) for amount in (3, 4)]
    with in_site(site):
        return batch_create(asset_id=tier.asset_id, requested_by_id=requested_by.id, lines=lines)[0]
