"""New Stripe objects, with the fields that the API gives (https://docs.stripe.com/api)."""

from __future__ import annotations

import secrets
import string
import time
from typing import Any

Object = dict[str, Any]

_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """An id such as pi_ and 24 letters or digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _object(prefix: str, kind: str, /, **fields: Any) -> Object:
    return {"id": new_id(prefix), "object": kind, "created": int(time.time()), "livemode": False, **fields}


def new_customer(*, email: str | None, name: str | None, metadata: dict[str, str]) -> Object:
    """A customer."""
    return _object("cus_", "customer", email=email, name=name, description=None, metadata=metadata)


def new_payment_intent(*, amount: int, currency: str, metadata: dict[str, str], **fields: Any) -> Object:
    """A PaymentIntent; `amount` is in the currency's minor unit."""
    intent = _object(
        "pi_",
        "payment_intent",
        amount=amount,
        amount_capturable=0,
        amount_received=0,
        currency=currency,
        status="requires_payment_method",
        metadata=metadata,
        latest_charge=None,
        last_payment_error=None,
        canceled_at=None,
        cancellation_reason=None,
        capture_method="automatic_async",
        confirmation_method="automatic",
        next_action=None,
        payment_method=None,
        **fields,
    )
    intent["client_secret"] = new_id(f"{intent['id']}_secret_", 25)
    return intent


def new_charge(intent: Object, *, status: str, failure: Object | None = None) -> Object:
    """A charge of a PaymentIntent: succeeded, pending or failed."""
    paid = status == "succeeded"
    return _object(
        "ch_",
        "charge",
        amount=intent["amount"],
        amount_captured=intent["amount"] if paid else 0,
        amount_refunded=0,
        captured=paid,
        currency=intent["currency"],
        customer=intent["customer"],
        disputed=False,
        failure_code=failure["code"] if failure else None,
        failure_message=failure["message"] if failure else None,
        metadata=intent["metadata"],
        paid=paid,
        payment_intent=intent["id"],
        payment_method=intent["payment_method"],
        refunded=False,
        status=status,
    )


def new_refund(charge: Object, *, amount: int, reason: str | None, metadata: dict[str, str]) -> Object:
    """A refund of a charge, in the charge's minor unit."""
    return _object(
        "re_",
        "refund",
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        metadata=metadata,
        payment_intent=charge["payment_intent"],
        reason=reason,
        status="succeeded",
    )


def new_balance_transaction(kind: str, *, source: Object, amount: int) -> Object:
    """A line of the balance: charge, refund, refund_failure or adjustment. The sandbox takes no fees."""
    return _object(
        "txn_",
        "balance_transaction",
        amount=amount,
        currency=source["currency"],
        fee=0,
        net=amount,
        reporting_category=kind,
        source=source["id"],
        status="available",
        type=kind,
    )


def new_dispute(charge: Object) -> Object:
    """A dispute of what is left of a charge, that waits for the seller's answer."""
    return _object(
        "dp_",
        "dispute",
        amount=charge["amount_captured"] - charge["amount_refunded"],
        charge=charge["id"],
        currency=charge["currency"],
        is_charge_refundable=False,
        metadata={},
        payment_intent=charge["payment_intent"],
        reason="fraudulent",
        status="needs_response",
    )
