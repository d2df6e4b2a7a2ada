"""Making an order: its row and reservation, then Stripe's PaymentIntent, then the answer that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.accounts.models import Wallet
from apps.core.amounts import UINT256_MAX
from apps.core.ids import uuid7
from apps.core.remote import RemoteError, RemoteRejected
from apps.idempotency.header import IdempotencyRequest
from apps.idempotency.services import (
    Claim,
    StoredResponse,
    idempotency_claim,
    idempotency_complete,
    idempotency_release,
)
from apps.orders import problems
from apps.orders.models import Order
from apps.orders.queries import order_of_site
from apps.orders.serializers import AMOUNT_MINOR_MAX, order_document
from apps.orders.services.apply import order_apply
from apps.orders.services.look import Look, intent_of_order
from apps.orders.stripe_gateway import StripeGateway
from apps.sites.scope import current_site_id, site_scope
from apps.tiers.models import Tier
from apps.tiers.services import tier_reserve

# A request that dies after its first commit leaves an order that nobody can pay; this is when it is found.
FIRST_CHECK = timedelta(minutes=2)


@dataclass(frozen=True)
class OrderAnswer:
    """What the HTTP request is answered with; the client secret is in ``body`` and is never stored."""

    status: int
    body: dict[str, Any]
    is_replay: bool = False


@dataclass(frozen=True)
class OrderWish:
    """What a buyer asks for."""

    buyer_id: UUID
    tier_id: UUID
    wallet_id: UUID
    quantity_units: int


def order_create(*, request: IdempotencyRequest, wish: OrderWish) -> OrderAnswer:
    """ENTRY: an order and its PaymentIntent, once for each key; a repeat goes on where the first one ended.

    Raises the Problems of idempotency_claim and tier_reserve; 409 wallet_not_usable, currency_not_accepted;
    422 order_too_large; 503 payment_provider_unavailable (the same request again finds out).
    """
    claim, order = order_place(request=request, wish=wish)
    if claim.stored is not None:
        return _replay(claim.stored)
    assert order is not None
    try:
        look = intent_of_order(order)
    except RemoteError as error:
        with site_scope():
            # This request is over: its repeat may go on at once. After a crash it waits for the lease.
            idempotency_release(claim_id=claim.id)
        raise problems.payment_provider_unavailable(error) from error
    if look.refusal:
        return _refused(claim, order, look)
    return _placed(claim, order, look)


def order_place(*, request: IdempotencyRequest, wish: OrderWish) -> tuple[Claim, Order | None]:
    """ENTRY: claim the key, reserve, insert the order: all or nothing. The order is None when an answer is stored.

    A refusal here undoes the claim too, so that the same key may be used again.
    """
    with site_scope() as site_id:
        claim = idempotency_claim(request=request, target_id=uuid7())
        if claim.stored is not None:
            return claim, None
        if not claim.is_new:
            return claim, Order.objects.get(site_id=site_id, id=claim.target_id)
        return claim, _insert(claim.target_id, wish)


def _insert(order_id: UUID, wish: OrderWish) -> Order:
    wallet = (
        Wallet.objects.select_related("site")
        .filter(site_id=current_site_id(), id=wish.wallet_id, member_id=wish.buyer_id, is_active=True)
        .first()
    )
    if wallet is None:
        raise problems.wallet_not_usable()
    tier = tier_reserve(tier_id=wish.tier_id, buyer_id=wish.buyer_id, quantity_units=wish.quantity_units)
    if tier.currency not in wallet.site.currencies:
        raise problems.currency_not_accepted()
    order = _order_of(order_id, wish, tier, timezone.now())
    if order.amount_minor > AMOUNT_MINOR_MAX or order.tokens_base_units > UINT256_MAX:
        raise problems.order_too_large()
    order.save(force_insert=True)
    return order


def _order_of(order_id: UUID, wish: OrderWish, tier: Tier, now: datetime) -> Order:
    expires_at = now + timedelta(minutes=settings.ORDER_HOLD_MINUTES)
    return Order(
        id=order_id,
        buyer_id=wish.buyer_id,
        tier_id=tier.id,
        wallet_id=wish.wallet_id,
        policy_id=tier.policy_id,
        quantity_units=wish.quantity_units,
        price_minor=tier.price_minor,
        amount_minor=tier.price_minor * wish.quantity_units,
        currency=tier.currency,
        tokens_base_units=tier.tokens_per_unit_base_units * wish.quantity_units,
        expires_at=expires_at,
        next_check_at=min(expires_at, now + FIRST_CHECK),
    )


def _placed(claim: Claim, order: Order, look: Look) -> OrderAnswer:
    with site_scope() as site_id:
        if look.intent is not None:
            # Only when blank: a sweeper may have been quicker, and its answer is the same intent.
            Order.objects.filter(site_id=site_id, id=order.id, payment_intent_id="").update(
                payment_intent_id=look.intent.id
            )
        shown = order_of_site(order_id=order.id)
        assert shown is not None
        body = order_document(shown)
        idempotency_complete(claim_id=claim.id, status=201, body=body)
    secret = look.intent.client_secret if look.intent else None
    return OrderAnswer(201, {**body, "client_secret": secret})


def _refused(claim: Claim, order: Order, look: Look) -> OrderAnswer:
    body = problems.payment_refused().as_dict()
    with site_scope():
        order_apply(order, look)
        idempotency_complete(claim_id=claim.id, status=422, body=body)
    return OrderAnswer(422, body)


def _replay(stored: StoredResponse) -> OrderAnswer:
    if stored.status != 201:
        return OrderAnswer(stored.status, stored.body, is_replay=True)
    secret = _client_secret(stored.body["payment_intent_id"])
    return OrderAnswer(201, {**stored.body, "client_secret": secret}, is_replay=True)


def _client_secret(intent_id: str) -> str | None:
    if not intent_id:
        return None
    try:
        return StripeGateway.from_settings().get_intent(intent_id).client_secret
    except RemoteRejected:
        return None  # Stripe does not know it any more: there is nothing to pay
    except RemoteError as error:
        raise problems.payment_provider_unavailable(error) from error
