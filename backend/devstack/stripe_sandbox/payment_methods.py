"""Stripe's named test payment methods (https://docs.stripe.com/testing) that the sandbox knows."""

from __future__ import annotations

from dataclasses import dataclass

from devstack.stripe_sandbox.errors import no_such


@dataclass(frozen=True)
class PaymentMethod:
    """How a confirmation with it goes: at once, refused with a code, or processing until it is settled."""

    kind: str = "card"
    decline_code: str | None = None
    asynchronous: bool = False


PAYMENT_METHODS = {
    "pm_card_visa": PaymentMethod(),
    "pm_card_mastercard": PaymentMethod(),
    "pm_card_chargeDeclined": PaymentMethod(decline_code="generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": PaymentMethod(decline_code="insufficient_funds"),
    "pm_usBankAccount_success": PaymentMethod(kind="us_bank_account", asynchronous=True),
}


def payment_method(name: str) -> PaymentMethod:
    """The payment method; 400 resource_missing when Stripe would not know it."""
    if name not in PAYMENT_METHODS:
        raise no_such("PaymentMethod", name, param="payment_method", status=400)
    return PAYMENT_METHODS[name]
