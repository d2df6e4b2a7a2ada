"""One row of each model in a site, and a person's way into the admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.admin import site as admin_site
from django.db import models
from django.test import Client
from django.utils import timezone

from apps.accounts.admin_places import SESSION_KEY
from apps.accounts.models import Identity, Membership, Role
from apps.accounts.notices import notice_add
from apps.accounts.wallet_models import NoticeKind
from apps.core.ids import uuid7
from apps.idempotency.models import IdempotencyKey
from apps.operations.models import Difference
from apps.orders.models import Dispute, Order, Refund
from apps.payouts.batches import PayoutLine, batch_create
from apps.payouts.evm_models import EvmToken, EvmTransaction, EvmTransfer, HotWallet
from apps.payouts.fireblocks_models import FireblocksAsset
from apps.payouts.models import Payout, PayoutAttempt, PayoutBatch
from apps.payouts.resolution_models import PayoutResolution
from apps.sites.models import Asset, Site
from apps.subscriptions.models import Delivery, DeliveryTry, OutgoingEvent
from apps.tiers.models import BuyerUnits, Tier
from apps.vesting.freeze_models import Freeze
from apps.vesting.milestone_models import Milestone
from apps.vesting.models import COLUMNS_OF_VERSION_1, Allocation, Receivable, Release
from apps.vesting.receivable_models import ReceivableSettlement
from apps.vesting.revoking_models import Revocation
from apps.vesting.services import allocation_grant
from tests.factories import (
    in_site,
    make_address,
    make_change,
    make_identity,
    make_member,
    make_policy,
    make_site,
    make_subscription,
    make_tier,
    make_wallet,
)

SITE_MODELS = [model for model in admin_site._registry if getattr(model, "is_site_owned", False)]
OTHER_MODELS = [model for model in admin_site._registry if model not in SITE_MODELS]
OUR_MODELS = [model for model in apps.get_models() if model.__module__.startswith("apps.")]


def fill_site(code: str) -> Site:
    """A site with at least one row of each of its models."""
    site = make_site(code)
    buyer, tier = make_member(site), make_tier(site)
    change = make_change(make_wallet(buyer), by_old=False)
    with in_site(site):
        notice_add(member_id=buyer.id, kind=NoticeKind.AWAITING_STAFF, change=change)
        order_id = uuid7()
        allocation = _grant(tier, buyer, 50 * 10**18, source_kind="order", source_id=order_id)
        BuyerUnits.objects.create(tier=tier, buyer=buyer, sold_units=1)
        _order(order_id, tier, buyer, allocation.id)
        _returns()
        IdempotencyKey.objects.create(
            caller="test", operation="POST /x", key="k", body_sha256="0" * 64, lease_until=timezone.now()
        )
        Difference.objects.create(
            kind="payment_amount",
            subject="payment",
            object_id=f"pi_{tier.id.hex}",
            source="stripe",
            expected="1 USD",
            found="2 USD",
            first_seen_at=timezone.now(),
            last_seen_at=timezone.now(),
            next_check_at=timezone.now(),
        )
    _owed_back(site, tier, buyer)
    make_resolution(make_held_payout(site), make_member(site, Role.OPERATOR))
    make_revocation(allocation, make_member(site, Role.OPERATOR))
    make_milestone(make_member(site, Role.OPERATOR))
    with in_site(site):
        Freeze.objects.create(allocation=allocation, cause="dispute", ended_at=timezone.now())
    make_batch(site)
    make_delivery(site)
    return site


def _grant(
    tier: Tier, buyer: Membership, amount_base_units: int, *, source_kind: str, source_id: UUID
) -> Allocation:
    return allocation_grant(
        asset_id=tier.asset_id,
        beneficiary_id=buyer.id,
        policy_id=tier.policy_id,
        amount_base_units=amount_base_units,
        source_kind=source_kind,
        source_id=source_id,
        starts_at=timezone.now() - timedelta(days=400),
    )


def _returns() -> None:
    """A refund and a dispute of the site's order."""
    order = Order.objects.get()
    Refund.objects.create(
        order=order,
        amount_minor=1,
        origin="stripe",
        stripe_refund_id=f"re_{order.id.hex}",
        status="succeeded",
        settled_at=timezone.now(),
    )
    Order.objects.filter(id=order.id).update(refunded_minor=1)
    Dispute.objects.create(
        order=order,
        amount_minor=1,
        stripe_dispute_id=f"dp_{order.id.hex}",
        status="won",
        settled_at=timezone.now(),
    )


def _owed_back(site: Site, tier: Tier, buyer: Membership) -> None:
    """A release that was paid out and is owed back."""
    with in_site(site):
        allocation = _grant(tier, buyer, 10**18, source_kind="test", source_id=uuid7())
        release = Release.objects.filter(allocation=allocation).order_by("number")[:1].get()
    batch = make_batch(site, make_member(site, Role.OPERATOR), amount_base_units=release.amount_base_units)
    tx_hash = f"0x{release.id.hex}"
    with in_site(site):
        row = Release.objects.filter(id=release.id)
        row.update(status="unlocked", unlocked_at=timezone.now())
        payouts = Payout.objects.filter(batch_id=batch.id)
        row.update(status="processing", payout=payouts.get())
        for status in ("ready", "submitting"):
            payouts.update(status=status, next_attempt_at=timezone.now())
        payouts.update(status="paid", next_attempt_at=None, settled_at=timezone.now(), tx_hash=tx_hash)
        row.update(status="released", released_at=timezone.now(), tx_hash=tx_hash)
        Receivable.objects.create(
            allocation=allocation, amount_base_units=1000, cause_kind="refund", cause_id=release.id
        )
    make_settlement(make_member(site, Role.OPERATOR))


def _order(order_id: UUID, tier: Tier, buyer: Membership, allocation_id: UUID) -> None:
    fields: dict[str, Any] = {"policy_id": tier.policy_id} if _has(Order, "policy") else {}
    order = Order.objects.create(
        id=order_id,
        buyer=buyer,
        tier=tier,
        wallet=_wallet_of(buyer),
        quantity_units=1,
        price_minor=tier.price_minor,
        amount_minor=tier.price_minor,
        currency=tier.currency,
        tokens_base_units=tier.tokens_per_unit_base_units,
        expires_at=timezone.now() + timedelta(minutes=15),
        next_check_at=timezone.now() + timedelta(minutes=15),
        payment_intent_id=f"pi_{tier.id.hex}",
        **fields,
    )
    Order.objects.filter(id=order.id).update(
        status="paid", allocation_id=allocation_id, paid_at=timezone.now()
    )


MILESTONE = {"kind": "milestone", "code": "mainnet", "share": "rest"}


def make_waiting_allocation(site: Site, beneficiary: Membership) -> Allocation:
    """An allocation of one token that waits for the milestone ``mainnet``."""
    terms = {"version": 2, "time_zone": "UTC", "vesting": {"segments": [MILESTONE]}}
    columns: dict[str, Any] = dict.fromkeys(COLUMNS_OF_VERSION_1)
    policy = make_policy(site, f"Of an event {uuid7()}", **columns, terms=terms)
    with in_site(site):
        return allocation_grant(
            asset_id=Asset.objects.order_by("id")[:1].get().id,
            beneficiary_id=beneficiary.id,
            policy_id=policy.id,
            amount_base_units=10**18,
            source_kind="test",
            source_id=uuid7(),
            starts_at=timezone.now() - timedelta(days=1),
        )


def make_milestone(asked_by: Membership) -> Milestone:
    """What somebody says has happened, with the evidence."""
    allocation = make_waiting_allocation(asked_by.site, asked_by)
    with in_site(asked_by.site):
        return Milestone.objects.create(
            allocation=allocation,
            code="mainnet",
            happened_at=timezone.now() - timedelta(hours=1),
            evidence="a block",
            asked_by=asked_by,
        )


def make_revocation(allocation: Allocation, asked_by: Membership) -> Revocation:
    """A revocation of all that waits for a second person."""
    with in_site(asked_by.site):
        return Revocation.objects.create(
            allocation=allocation, scope="all", state="asked", reason="a reason", asked_by=asked_by
        )


def make_delivery(site: Site, **subscription: Any) -> Delivery:
    """Something that a receiver of the site was told at the second try."""
    receiver, now = make_subscription(site, **subscription), timezone.now()
    with in_site(site):
        event = OutgoingEvent.objects.create(
            event_type="order.paid", object_id=uuid7(), data={"id": str(receiver.id)}, occurred_at=now
        )
        delivery = Delivery.objects.create(
            subscription=receiver, event=event, asked_at=now, next_attempt_at=now, attempts=2, claims=2
        )
        for status, error in ((None, "timeout"), (204, "")):
            DeliveryTry.objects.create(
                delivery=delivery, at=now, http_status=status, error_code=error, duration_ms=7
            )
        Delivery.objects.update(status="delivered", next_attempt_at=None, delivered_at=now)
    return delivery


def _has(model: type[models.Model], name: str) -> bool:
    return any(field.name == name for field in model._meta.fields)


def _wallet_of(buyer: Membership) -> Any:
    return apps.get_model("accounts.Wallet")._default_manager.get(member=buyer)


def make_batch(
    site: Site, requested_by: Membership | None = None, *, amount_base_units: int = 7 * 10**18
) -> PayoutBatch:
    """A batch of one payout that waits for approval."""
    requested_by = requested_by or make_member(site, Role.OPERATOR)
    with in_site(site):
        batch, payouts = batch_create(
            asset_id=Release.objects.select_related("allocation").all()[0].allocation.asset_id,
            requested_by_id=requested_by.id,
            lines=[PayoutLine(to_address=make_address(), amount_base_units=amount_base_units)],
        )
        attempt = PayoutAttempt.objects.create(payout=payouts[0], number=1, external_id=f"x-{payouts[0].id}")
        _signed_transfer(attempt)
    return batch


def make_held_payout(site: Site) -> Payout:
    """A payout that a worker has held for a person."""
    batch = make_batch(site)
    with in_site(site):
        payouts = Payout.objects.filter(batch_id=batch.id)
        for status in ("ready", "submitting"):
            payouts.update(status=status, next_attempt_at=timezone.now())
        payouts.update(status="held", hold_code="amount_differs", next_attempt_at=None)
        return payouts.get()


def make_resolution(payout: Payout, asked_by: Membership) -> PayoutResolution:
    """What somebody asked for about a held payout."""
    with in_site(asked_by.site):
        return PayoutResolution.objects.create(
            payout=payout, action="ask_again", hold_code=payout.hold_code, note="a note", asked_by=asked_by
        )


def make_settlement(asked_by: Membership) -> ReceivableSettlement:
    """What somebody asked for about the site's receivable."""
    with in_site(asked_by.site):
        return ReceivableSettlement.objects.create(
            receivable=Receivable.objects.get(),
            kind="written_off",
            amount_base_units=1,
            note="a note",
            asked_by=asked_by,
        )


def _signed_transfer(attempt: PayoutAttempt) -> None:
    contract = make_address()
    wallet = HotWallet.objects.create(chain_id=31337, address=make_address())
    EvmToken.objects.create(chain_id=31337, contract_address=contract, decimals=18)
    FireblocksAsset.objects.create(custody_asset_id=f"ASSET_{contract}", decimals=18)
    transfer = EvmTransfer.objects.create(
        attempt=attempt,
        wallet=wallet,
        nonce=0,
        contract_address=contract,
        to_address=make_address(),
        amount_base_units=7 * 10**18,
    )
    EvmTransaction.objects.create(
        transfer=transfer,
        number=1,
        gas_limit=60_000,
        max_fee_wei=2,
        max_priority_fee_wei=1,
        raw=f"0x{transfer.id.hex}",
        tx_hash=f"0x{transfer.id.hex * 2}",
    )


def unlock_some(site: Site) -> list[Release]:
    """The releases of the site that are due, unlocked."""
    with in_site(site):
        Release.objects.filter(status="locked", unlock_at__lte=timezone.now()).update(
            status="unlocked", unlocked_at=timezone.now()
        )
        return list(Release.objects.filter(status="unlocked").order_by("number"))


def first_of(site: Site, model: type[models.Model]) -> Any:
    """The newest row of a model in the site."""
    with in_site(site):
        return model._default_manager.order_by("-pk").first()


def staff_of(*sites: Site, role: Role | str = Role.OPERATOR, **fields: Any) -> Identity:
    """A person with a password who has the role in each site."""
    person = make_identity(is_staff=True, **fields)
    for site in sites:
        make_member(site, role, identity=person)
    return person


def entered(person: Identity, site: Site | None = None) -> Client:
    """A browser that is logged in and has chosen the site."""
    client = Client()
    client.force_login(person)
    if site is not None:
        session = client.session
        session[SESSION_KEY] = str(site.id)
        session.save()
    return client


def platform_admin() -> Identity:
    """Somebody who looks after the installation and works in no site."""
    return make_identity(is_staff=True, is_platform_admin=True)
