"""PaymentIntents: create, read, update, confirm, cancel, and the settling of asynchronous payments."""

from __future__ import annotations

import re
import time

from devstack.sandbox_parts.store import Document, Store
from devstack.stripe_sandbox.balance import Balance
from devstack.stripe_sandbox.errors import StripeError, no_such, unexpected_state
from devstack.stripe_sandbox.events import Events
from devstack.stripe_sandbox.forms import (
    Params,
    flag,
    integer,
    merge_metadata,
    refuse_unknown,
    required,
    text,
)
from devstack.stripe_sandbox.listing import created_within, list_page, search_page
from devstack.stripe_sandbox.objects import Object, new_charge, new_payment_intent
from devstack.stripe_sandbox.payment_methods import PaymentMethod, payment_method

_MAX_AMOUNT = 99_999_999
_CREATE = {
    "amount", "currency", "customer", "metadata", "description", "receipt_email", "payment_method", "confirm",
    "automatic_payment_methods", "payment_method_types", "capture_method", "confirmation_method",
    "statement_descriptor_suffix", "return_url", "off_session", "setup_future_usage",
}  # fmt: skip
_UPDATE = {"amount", "currency", "customer", "metadata", "description", "receipt_email", "payment_method"}
_ALWAYS_CHANGEABLE = {"metadata", "description", "receipt_email", "expand"}
_CONFIRM = {"payment_method", "return_url", "off_session", "client_secret", "key", "receipt_email"}
_OPEN = {"requires_payment_method", "requires_confirmation", "requires_action"}


class PaymentIntents:
    """Every method runs in the caller's transaction and returns the object as the API shows it."""

    def __init__(self, store: Store, events: Events) -> None:
        self._store = store
        self._events = events
        self._balance = Balance(store)

    def create(self, params: Params) -> Object:
        """Create one; with confirm=true it is confirmed at once."""
        refuse_unknown(params, _CREATE)
        if text(params, "capture_method") == "manual":
            raise StripeError(400, "The sandbox captures automatically only.", param="capture_method")
        method = text(params, "payment_method")
        if method:
            payment_method(method)
        intent = new_payment_intent(
            amount=_amount(params),
            currency=_currency(required(params, "currency")),
            metadata=merge_metadata({}, params),
            customer=self._customer(params),
            description=text(params, "description"),
            receipt_email=text(params, "receipt_email"),
            payment_method_types=["card", "us_bank_account"],
        )
        if method:
            intent |= {"payment_method": method, "status": "requires_confirmation"}
        self._store.add("payment_intent", intent["id"], intent)
        self._events.record("payment_intent.created", intent)
        return self._confirm(intent, method) if flag(params, "confirm") else intent

    def retrieve(self, intent_id: str) -> Object:
        """Read one; 404 resource_missing otherwise."""
        intent = self._store.get("payment_intent", intent_id)
        if intent is None:
            raise no_such("payment_intent", intent_id, param="intent")
        return intent

    def update(self, intent_id: str, params: Params) -> Object:
        """Change metadata at any time; amount, currency and method only while it is open."""
        refuse_unknown(params, _UPDATE)
        intent = self.retrieve(intent_id)
        if intent["status"] not in _OPEN and params.keys() - _ALWAYS_CHANGEABLE:
            raise unexpected_state(intent, "update")
        intent["metadata"] = merge_metadata(intent["metadata"], params)
        for name in ("description", "receipt_email"):
            if name in params:
                intent[name] = text(params, name)
        if "amount" in params:
            intent["amount"] = _amount(params)
        if "currency" in params:
            intent["currency"] = _currency(required(params, "currency"))
        if "customer" in params:
            intent["customer"] = self._customer(params)
        method = text(params, "payment_method")
        if method:
            payment_method(method)
            intent |= {"payment_method": method, "status": "requires_confirmation"}
        return self._save(intent)

    def confirm(self, intent_id: str, params: Params) -> Object:
        """Pay with a named test method; a declined card is a 402 card_error and leaves the intent open."""
        refuse_unknown(params, _CONFIRM)
        return self._confirm(self.retrieve(intent_id), text(params, "payment_method"))

    def cancel(self, intent_id: str, params: Params) -> Object:
        """Cancel an open one; a succeeded, processing or canceled one is payment_intent_unexpected_state."""
        refuse_unknown(params, {"cancellation_reason"})
        intent = self.retrieve(intent_id)
        if intent["status"] not in _OPEN:
            raise unexpected_state(intent, "cancel")
        intent |= {
            "status": "canceled",
            "canceled_at": int(time.time()),
            "cancellation_reason": text(params, "cancellation_reason"),
        }
        return self._save(intent, "payment_intent.canceled")

    def list(self, params: Params) -> Document:
        """List, newest first; filters customer and created."""
        refuse_unknown(params, {"limit", "starting_after", "ending_before", "customer", "created"})
        customer = text(params, "customer")
        return list_page(
            self._store,
            "payment_intent",
            params,
            url="/v1/payment_intents",
            fits=lambda intent: customer in (None, intent["customer"]) and created_within(intent, params),
        )

    def search(self, params: Params) -> Document:
        """Search by metadata and a few fields; at once, where the real one lags by up to a minute."""
        refuse_unknown(params, {"query", "limit", "page"})
        return search_page(self._store, "payment_intent", params, url="/v1/payment_intents/search")

    def settle(self, intent_id: str, outcome: str) -> Object:
        """End an asynchronous payment as succeeded or failed (a control of the sandbox, not of Stripe)."""
        intent = self.retrieve(intent_id)
        if intent["status"] != "processing":
            raise unexpected_state(intent, "settle")
        charge = self._store.get("charge", intent["latest_charge"]) or {}
        if outcome == "succeeded":
            charge |= {"status": outcome, "paid": True, "captured": True, "amount_captured": charge["amount"]}
            return self._succeed(intent, charge)
        if outcome == "failed":
            return self._fail(intent, charge | {"status": outcome}, _decline("insufficient_funds", intent))
        raise StripeError(400, "outcome must be succeeded or failed", param="outcome")

    def _confirm(self, intent: Object, method_name: str | None) -> Object:
        if intent["status"] not in _OPEN:
            raise unexpected_state(intent, "confirm")
        name = method_name or intent["payment_method"]
        if not name:
            raise StripeError(
                400,
                "You cannot confirm this PaymentIntent because it's missing a payment method.",
                kept=True,
                code="payment_intent_unexpected_state",
                payment_intent=intent,
            )
        method: PaymentMethod = payment_method(name)
        intent |= {"payment_method": name, "last_payment_error": None}
        if method.decline_code:
            error = _decline(method.decline_code, intent)
            declined = self._fail(intent, new_charge(intent, status="failed", failure=error), error)
            raise StripeError(
                402, error["message"], error_type="card_error", kept=True, code="card_declined",
                decline_code=method.decline_code, payment_intent=declined, charge=declined["latest_charge"],
            )  # fmt: skip
        if method.asynchronous:
            return self._process(intent, new_charge(intent, status="pending"))
        return self._succeed(intent, new_charge(intent, status="succeeded"))

    def _process(self, intent: Object, charge: Object) -> Object:
        self._keep_charge(charge, "charge.pending")
        intent |= {"status": "processing", "latest_charge": charge["id"]}
        return self._save(intent, "payment_intent.processing")

    def _succeed(self, intent: Object, charge: Object) -> Object:
        charge["balance_transaction"] = self._balance.record("charge", charge, charge["amount_captured"])
        self._keep_charge(charge, "charge.succeeded")
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": charge["id"]}
        return self._save(intent, "payment_intent.succeeded")

    def _fail(self, intent: Object, charge: Object, error: Object) -> Object:
        self._keep_charge(charge, "charge.failed")
        intent |= {
            "status": "requires_payment_method",
            "payment_method": None,
            "latest_charge": charge["id"],
            "last_payment_error": {**error, "charge": charge["id"]},
        }
        return self._save(intent, "payment_intent.payment_failed")

    def _keep_charge(self, charge: Object, event_type: str) -> None:
        if self._store.get("charge", charge["id"]) is None:
            self._store.add("charge", charge["id"], charge)
        else:
            self._store.save("charge", charge["id"], charge)
        self._events.record(event_type, charge)

    def _save(self, intent: Object, event_type: str | None = None) -> Object:
        self._store.save("payment_intent", intent["id"], intent)
        if event_type:
            self._events.record(event_type, intent)
        return intent

    def _customer(self, params: Params) -> str | None:
        customer = text(params, "customer")
        if customer and self._store.get("customer", customer) is None:
            raise no_such("customer", customer, param="customer", status=400)
        return customer


def _decline(decline_code: str, intent: Object) -> Object:
    return {
        "type": "card_error",
        "code": "card_declined",
        "decline_code": decline_code,
        "message": "Your card was declined.",
        "payment_method": intent["payment_method"],
    }


def _amount(params: Params) -> int:
    required(params, "amount")
    amount = integer(params, "amount") or 0
    if amount < 1:
        raise StripeError(
            400, "This value must be at least 1.", code="parameter_invalid_integer", param="amount"
        )
    if amount > _MAX_AMOUNT:
        raise StripeError(400, "Amount is more than 99999999", code="amount_too_large", param="amount")
    return amount


def _currency(value: str) -> str:
    if not re.fullmatch(r"[a-zA-Z]{3}", value):
        raise StripeError(400, f"Invalid currency: {value}", param="currency")
    return value.lower()
