"""What follows for an order from what Stripe says. Plain functions: no database, no network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from apps.orders.models import Order, OrderStatus
from apps.orders.services.look import Look
from apps.orders.stripe_gateway import Intent

CLOSED = frozenset({OrderStatus.EXPIRED, OrderStatus.CANCELLED, OrderStatus.FAILED})
# The buyer may still pay by confirming one of these, and Stripe lets us cancel it.
OPEN_INTENT = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
_PAUSE_FIRST_S, _PAUSE_MAX_S = 15, 900


class Step(StrEnum):
    """What to do with an order now."""

    REST = "rest"  # nothing is due any more
    WAIT = "wait"  # look again later
    CANCEL_FIRST = "cancel_first"  # Stripe has to cancel the intent before the order can close
    CLOSE = "close"  # nobody can pay it any more: give the reservation back
    FULFIL = "fulfil"  # it is paid
    REVIEW = "review"  # a person has to look


@dataclass(frozen=True)
class Decision:
    """``closes_as`` belongs to CLOSE, ``problem_code`` to REVIEW."""

    step: Step
    closes_as: OrderStatus = OrderStatus.FAILED
    problem_code: str = ""


def decide(order: Order, look: Look, now: datetime) -> Decision:
    """The next step of an order in ``now`` (aware UTC). The order's row is the locked, present one."""
    if order.problem_code or not (order.status == OrderStatus.PENDING or order.status in CLOSED):
        return Decision(Step.REST)
    if look.is_lost:
        return Decision(Step.REVIEW, problem_code="payment_intent_missing")
    is_pending = order.status == OrderStatus.PENDING
    if look.intent is None:
        return _without_intent(order, look, now) if is_pending else Decision(Step.REST)
    if look.intent.status == "succeeded":
        if payment_matches(order, look.intent):
            return Decision(Step.FULFIL)
        return Decision(Step.REVIEW, problem_code="payment_mismatch")
    if look.intent.status == "canceled":
        return Decision(Step.CLOSE, closes_as=_closes_as(order, now)) if is_pending else Decision(Step.REST)
    if look.intent.status in OPEN_INTENT and (not is_pending or _is_over(order, now)):
        return Decision(Step.CANCEL_FIRST)
    return Decision(Step.WAIT)


def payment_matches(order: Order, intent: Intent) -> bool:
    """Whether the money is this order's: received in full, in its currency, for its id and site."""
    return (
        intent.amount_received_minor == order.amount_minor
        and intent.currency.upper() == order.currency
        and intent.metadata.get("order_id") == str(order.id)
        and intent.metadata.get("site_id") == str(order.site_id)
    )


def next_check(order: Order, look: Look | None, now: datetime) -> datetime:
    """When to look again: pauses double up to 15 minutes, and an open order is looked at when its hold ends."""
    later = now + timedelta(seconds=min(_PAUSE_FIRST_S * 2 ** min(order.check_attempts, 10), _PAUSE_MAX_S))
    ends_by_itself = look is not None and (look.intent is None or look.intent.status in OPEN_INTENT)
    if ends_by_itself and order.status == OrderStatus.PENDING and order.expires_at > now:
        return min(later, order.expires_at)
    return later


def _without_intent(order: Order, look: Look, now: datetime) -> Decision:
    # No client secret ever left for it, so that nobody can be paying it.
    if look.refusal or _is_over(order, now):
        refused = look.refusal and order.cancel_requested_at is None
        return Decision(Step.CLOSE, closes_as=OrderStatus.FAILED if refused else _closes_as(order, now))
    return Decision(Step.WAIT)


def _is_over(order: Order, now: datetime) -> bool:
    return order.cancel_requested_at is not None or order.expires_at <= now


def _closes_as(order: Order, now: datetime) -> OrderStatus:
    if order.cancel_requested_at is not None:
        return OrderStatus.CANCELLED
    return OrderStatus.EXPIRED if order.expires_at <= now else OrderStatus.FAILED
