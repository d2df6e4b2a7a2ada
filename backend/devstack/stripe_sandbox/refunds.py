"""Refunds of charges, full or in parts; never more than was paid."""

from __future__ import annotations

from devstack.sandbox_parts.store import Document, Store
from devstack.stripe_sandbox.balance import Balance
from devstack.stripe_sandbox.errors import StripeError, missing, no_such
from devstack.stripe_sandbox.events import Events
from devstack.stripe_sandbox.forms import Params, integer, merge_metadata, refuse_unknown, text
from devstack.stripe_sandbox.listing import created_within, list_page
from devstack.stripe_sandbox.objects import Object, new_id, new_refund

_REASONS = {None, "duplicate", "fraudulent", "requested_by_customer"}


class Refunds:
    """Every method runs in the caller's transaction."""

    def __init__(self, store: Store, events: Events) -> None:
        self._store = store
        self._events = events
        self._balance = Balance(store)

    def create(self, params: Params) -> Object:
        """Refund `amount` minor units, or what is left, of a payment_intent or charge."""
        refuse_unknown(params, {"payment_intent", "charge", "amount", "reason", "metadata"})
        charge = self._charge(params)
        if self._is_charged_back(charge):
            raise StripeError(
                400, f"Charge {charge['id']} has been charged back.", kept=True, code="charge_disputed"
            )
        left = charge["amount_captured"] - charge["amount_refunded"]
        if left == 0:
            raise StripeError(
                400,
                f"Charge {charge['id']} has already been refunded.",
                kept=True,
                code="charge_already_refunded",
            )
        amount = integer(params, "amount")
        amount = left if amount is None else amount
        if amount < 1:
            raise StripeError(400, "Invalid amount", code="parameter_invalid_integer", param="amount")
        if amount > left:
            raise StripeError(
                400,
                f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
                kept=True,
                param="amount",
            )
        reason = text(params, "reason")
        if reason not in _REASONS:
            raise StripeError(400, f"Invalid reason: {reason}", param="reason")
        return self._refund(
            charge, new_refund(charge, amount=amount, reason=reason, metadata=merge_metadata({}, params))
        )

    def _refund(self, charge: Object, refund: Object) -> Object:
        refund["balance_transaction"] = self._balance.record("refund", refund, -refund["amount"])
        self._store.add("refund", refund["id"], refund)
        charge["amount_refunded"] += refund["amount"]
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
        self._store.save("charge", charge["id"], charge)
        self._events.record("refund.created", refund)
        self._events.record("charge.refunded", charge)
        # The bank's reference arrives a little later at Stripe, as an update of a refund that had succeeded.
        refund["destination_details"] = {"type": "card", "card": {"reference": new_id("", 16)}}
        self._store.save("refund", refund["id"], refund)
        self._events.record("refund.updated", refund)
        return refund

    def fail(self, refund_id: str) -> Object:
        """The bank sends a refund back, also one that had succeeded (a control of the sandbox, not of Stripe)."""
        refund = self.retrieve(refund_id)
        if refund["status"] == "failed":
            return refund
        refund |= {
            "status": "failed",
            "failure_reason": "lost_or_stolen_card",
            "failure_balance_transaction": self._balance.record("refund_failure", refund, refund["amount"]),
        }
        self._store.save("refund", refund_id, refund)
        charge = self.charge(refund["charge"])
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        self._store.save("charge", charge["id"], charge)
        self._events.record("refund.failed", refund)
        self._events.record("charge.refund.updated", refund)
        return refund

    def _is_charged_back(self, charge: Object) -> bool:
        of_charge = (one for one in self._store.newest("dispute") if one["charge"] == charge["id"])
        return any(dispute["status"] != "won" for dispute in of_charge)

    def _charge(self, params: Params) -> Object:
        intent_id, charge_id = text(params, "payment_intent"), text(params, "charge")
        if intent_id:
            intent = self._store.get("payment_intent", intent_id)
            if intent is None:
                raise no_such("payment_intent", intent_id, param="payment_intent", status=404)
            charge_id = intent["latest_charge"]
            if intent["status"] != "succeeded" or not charge_id:
                raise StripeError(
                    400,
                    f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.",
                    param="payment_intent",
                )
        if not charge_id:
            raise missing("payment_intent")
        charge = self.charge(charge_id)
        if not charge["paid"]:
            raise StripeError(400, f"Charge {charge_id} has not succeeded.", param="charge")
        return charge

    def charge(self, charge_id: str) -> Object:
        """Read a charge; 404 resource_missing otherwise."""
        charge = self._store.get("charge", charge_id)
        if charge is None:
            raise no_such("charge", charge_id)
        return charge

    def retrieve(self, refund_id: str) -> Object:
        """Read a refund; 404 resource_missing otherwise."""
        refund = self._store.get("refund", refund_id)
        if refund is None:
            raise no_such("refund", refund_id)
        return refund

    def list(self, params: Params) -> Document:
        """List, newest first; filters payment_intent, charge and created."""
        refuse_unknown(
            params, {"limit", "starting_after", "ending_before", "payment_intent", "charge", "created"}
        )
        intent, charge = text(params, "payment_intent"), text(params, "charge")

        def fits(refund: Document) -> bool:
            return (
                intent in (None, refund["payment_intent"])
                and charge in (None, refund["charge"])
                and created_within(refund, params)
            )

        return list_page(self._store, "refund", params, url="/v1/refunds", fits=fits)
