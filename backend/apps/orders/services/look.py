"""What Stripe says about an order's payment. Asked outside any transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from apps.core.remote import RemoteRejected
from apps.orders.models import Order, OrderStatus
from apps.orders.stripe_gateway import Intent, StripeGateway, StripeUnknown

# Stripe forgets an Idempotency-Key after 24 h; the same create would then make a second PaymentIntent.
KEY_LIFE = timedelta(hours=23)
# Stripe replays a 500 under its key too. Its search lags by a minute, in outages longer.
SEARCH_TRUSTED_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class Look:
    """``intent`` None: there is none, and nobody can pay the order. ``refusal``: Stripe's code for not making it.

    ``is_lost``: we know an intent's id that Stripe does not know.
    """

    intent: Intent | None = None
    refusal: str = ""
    is_lost: bool = False


def payment_look(order: Order) -> Look:
    """The order's PaymentIntent as it is now. Raises RemoteError."""
    look = intent_of_order(order)
    if look.intent is None or order.payment_intent_id:
        return look
    # A repeated create answers its first words; what happened since is only in the intent itself.
    return Look(StripeGateway.from_settings().get_intent(look.intent.id))


def intent_of_order(order: Order) -> Look:
    """The order's PaymentIntent, made if need be; its status may be that of its making. Raises RemoteError."""
    gateway = StripeGateway.from_settings()
    if order.payment_intent_id:
        try:
            return Look(gateway.get_intent(order.payment_intent_id))
        except RemoteRejected as refusal:
            if refusal.code != "resource_missing":
                raise
            return Look(is_lost=True)
    assert order.site_id is not None
    age = timezone.now() - order.created_at
    if order.status != OrderStatus.PENDING or age > KEY_LIFE:
        return Look(gateway.find_intent_by_order(order.id))
    try:
        return Look(
            gateway.create_intent(
                order_id=order.id,
                site_id=order.site_id,
                amount_minor=order.amount_minor,
                currency=order.currency,
            )
        )
    except RemoteRejected as refusal:
        return Look(refusal=refusal.code)
    except StripeUnknown as unknown:
        is_old = age >= SEARCH_TRUSTED_AFTER
        if not is_old and unknown.code != "stripe_unavailable":
            raise  # the same create again finds out
        # An error that Stripe answered is what its key answers from now on; the intent may be there all the same.
        found = gateway.find_intent_by_order(order.id)
        if found is None and not is_old:
            raise
        return Look(found)
