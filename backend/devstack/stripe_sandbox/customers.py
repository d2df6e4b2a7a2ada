"""Customers: as little of them as POSX needs."""

from __future__ import annotations

from devstack.sandbox_parts.store import Store
from devstack.stripe_sandbox.errors import no_such
from devstack.stripe_sandbox.forms import Params, merge_metadata, refuse_unknown, text
from devstack.stripe_sandbox.objects import Object, new_customer


class Customers:
    """Every method runs in the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, params: Params) -> Object:
        """Create a customer from email, name and metadata."""
        refuse_unknown(params, {"email", "name", "metadata", "description"})
        customer = new_customer(
            email=text(params, "email"), name=text(params, "name"), metadata=merge_metadata({}, params)
        )
        self._store.add("customer", customer["id"], customer)
        return customer

    def retrieve(self, customer_id: str) -> Object:
        """Read a customer; 404 resource_missing otherwise."""
        customer = self._store.get("customer", customer_id)
        if customer is None:
            raise no_such("customer", customer_id)
        return customer
