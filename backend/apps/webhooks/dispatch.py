"""Which room hears of which event: one table. A payload is never believed; the provider is asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from apps.core.remote import RemoteRejected
from apps.orders.services import order_check_now
from apps.orders.stripe_gateway import StripeGateway
from apps.payouts.custody.choice import custody_in_use
from apps.payouts.external_ids import external_id_parse
from apps.payouts.submission import payout_check_now
from apps.sites.models import Site
from apps.sites.scope import bind_site
from apps.webhooks.models import EventStatus, InboxEvent, Provider
from apps.webhooks.services import Outcome

HANDLED = Outcome(EventStatus.HANDLED)


def payment_announced(event: InboxEvent) -> Outcome:
    """Something happened to a payment: its order looks at Stripe's truth. Raises RemoteError."""
    gateway = StripeGateway.from_settings()
    try:
        intent_id = _intent_id(gateway, event.object_id)
        metadata = gateway.get_intent(intent_id).metadata if intent_id else {}
    except RemoteRejected as refusal:
        return _ignored(refusal.code)
    site_id, order_id = _uuid(metadata.get("site_id")), _uuid(metadata.get("order_id"))
    if site_id is None or order_id is None:
        return _ignored("not_ours")
    return _in_site(site_id, lambda: order_check_now(order_id=order_id))


def transfer_announced(event: InboxEvent) -> Outcome:
    """Something happened to a transfer: its payout looks at the provider's truth. Raises RemoteError."""
    if not event.object_id:
        return _ignored("not_ours")
    try:
        # Only the external id is read here; the amount, which needs the asset's decimals, is the payout's business.
        transfer = custody_in_use().get(event.object_id, decimals=0)
    except RemoteRejected as refusal:
        return _ignored(refusal.code)
    if transfer is None:
        return _ignored("transfer_unknown")
    ours = external_id_parse(transfer.external_id)
    if ours is None:
        return _ignored("not_ours")
    return _in_site(ours.site_id, lambda: payout_check_now(attempt_id=ours.attempt_id))


# The first part of the event's type decides; what is not listed is nobody's. Fireblocks' capitals are webhooks v1.
HANDLERS: Mapping[tuple[Provider, str], Callable[[InboxEvent], Outcome]] = {
    (Provider.STRIPE, "payment_intent."): payment_announced,
    (Provider.STRIPE, "charge."): payment_announced,
    (Provider.STRIPE, "refund."): payment_announced,
    (Provider.FIREBLOCKS, "transaction."): transfer_announced,
    (Provider.FIREBLOCKS, "TRANSACTION_"): transfer_announced,
}

# What the list of events is asked for, by exact names: 20 at most. Each of them is a HANDLERS prefix' business.
STRIPE_EVENT_TYPES = (
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.succeeded",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.refund.updated",
    "charge.refunded",
    "charge.succeeded",
    "refund.created",
    "refund.failed",
    "refund.updated",
)


def dispatch(event: InboxEvent) -> Outcome:
    """Act on an event by the table. Raises RemoteError when the provider cannot be asked now."""
    for (provider, prefix), handler in HANDLERS.items():
        if event.provider == provider and event.event_type.startswith(prefix):
            return handler(event)
    return _ignored("not_ours")


def _intent_id(gateway: StripeGateway, object_id: str) -> str | None:
    """The PaymentIntent that an event's object is, or belongs to."""
    if object_id.startswith("pi_"):
        return object_id
    if object_id.startswith(("ch_", "py_")):
        return gateway.intent_id_of_charge(object_id)
    return None


def _in_site(site_id: UUID, check_now: Callable[[], bool]) -> Outcome:
    # A deactivated site still owes what it has sold.
    if not Site.objects.filter(id=site_id).exists():
        return _ignored("unknown_site")
    with bind_site(site_id):
        return HANDLED if check_now() else _ignored("unknown_row")


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None


def _ignored(code: str) -> Outcome:
    return Outcome(EventStatus.IGNORED, code)
