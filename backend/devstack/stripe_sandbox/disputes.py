"""Disputes of charges: the bank opens and decides them, so that only a control of the sandbox makes them."""

from __future__ import annotations

from devstack.sandbox_parts.store import Document, Store
from devstack.stripe_sandbox.balance import Balance
from devstack.stripe_sandbox.errors import StripeError, no_such
from devstack.stripe_sandbox.events import Events
from devstack.stripe_sandbox.forms import Params, refuse_unknown, text
from devstack.stripe_sandbox.listing import created_within, list_page
from devstack.stripe_sandbox.objects import Object, new_dispute

_OUTCOMES = ("won", "lost")


class Disputes:
    """Every method runs in the caller's transaction."""

    def __init__(self, store: Store, events: Events) -> None:
        self._store = store
        self._events = events
        self._balance = Balance(store)

    def control(self, intent_id: str, outcome: str | None) -> Object:
        """Open a dispute of what is not refunded yet, or take the open one; `won` or `lost` closes it."""
        if outcome is not None and outcome not in _OUTCOMES:
            raise StripeError(400, "outcome must be null, won or lost", param="outcome")
        charge = self._charge(intent_id)
        dispute = self._open(charge) or self._create(charge)
        return dispute if outcome is None else self._close(dispute, outcome)

    def retrieve(self, dispute_id: str) -> Object:
        """Read a dispute; 404 resource_missing otherwise."""
        dispute = self._store.get("dispute", dispute_id)
        if dispute is None:
            raise no_such("dispute", dispute_id)
        return dispute

    def list(self, params: Params) -> Document:
        """List, newest first; filters payment_intent, charge and created."""
        refuse_unknown(
            params, {"limit", "starting_after", "ending_before", "payment_intent", "charge", "created"}
        )
        intent, charge = text(params, "payment_intent"), text(params, "charge")

        def fits(dispute: Document) -> bool:
            return (
                intent in (None, dispute["payment_intent"])
                and charge in (None, dispute["charge"])
                and created_within(dispute, params)
            )

        return list_page(self._store, "dispute", params, url="/v1/disputes", fits=fits)

    def _charge(self, intent_id: str) -> Object:
        intent = self._store.get("payment_intent", intent_id)
        if intent is None:
            raise no_such("payment_intent", intent_id)
        charge = self._store.get("charge", intent["latest_charge"] or "")
        if charge is None or not charge["paid"]:
            raise StripeError(400, f"This PaymentIntent ({intent_id}) has no successful charge to dispute.")
        return charge

    def _open(self, charge: Object) -> Object | None:
        of_charge = (one for one in self._store.newest("dispute") if one["charge"] == charge["id"])
        return next((dict(one) for one in of_charge if one["status"] not in _OUTCOMES), None)

    def _create(self, charge: Object) -> Object:
        dispute = new_dispute(charge)
        if dispute["amount"] < 1:
            raise StripeError(400, f"Charge {charge['id']} has been refunded: nothing is left to dispute.")
        self._store.add("dispute", dispute["id"], dispute)
        charge["disputed"] = True
        self._store.save("charge", charge["id"], charge)
        self._balance.record("adjustment", dispute, -dispute["amount"])
        self._events.record("charge.dispute.created", dispute)
        self._events.record("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def _close(self, dispute: Object, outcome: str) -> Object:
        dispute["status"] = outcome
        self._store.save("dispute", dispute["id"], dispute)
        if outcome == "won":
            self._balance.record("adjustment", dispute, dispute["amount"])
            self._events.record("charge.dispute.funds_reinstated", dispute)
        self._events.record("charge.dispute.closed", dispute)
        return dispute
