"""Balance transactions: Stripe's own ledger, one line for each movement of money, never changed afterwards."""

from __future__ import annotations

from devstack.sandbox_parts.store import Document, Store
from devstack.stripe_sandbox.errors import no_such
from devstack.stripe_sandbox.forms import Params, refuse_unknown, text
from devstack.stripe_sandbox.listing import created_within, list_page
from devstack.stripe_sandbox.objects import Object, new_balance_transaction


class Balance:
    """Every method runs in the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, kind: str, source: Object, amount: int) -> str:
        """Write a movement of ``amount`` minor units (negative: money that leaves); the line's id."""
        line = new_balance_transaction(kind, source=source, amount=amount)
        self._store.add("balance_transaction", line["id"], line)
        return str(line["id"])

    def retrieve(self, line_id: str) -> Object:
        """Read a line; 404 resource_missing otherwise."""
        line = self._store.get("balance_transaction", line_id)
        if line is None:
            raise no_such("balance transaction", line_id)
        return line

    def list(self, params: Params) -> Document:
        """List, newest first; filters type, source and created."""
        refuse_unknown(params, {"limit", "starting_after", "ending_before", "type", "source", "created"})
        kind, source = text(params, "type"), text(params, "source")

        def fits(line: Document) -> bool:
            return (
                kind in (None, line["type"])
                and source in (None, line["source"])
                and created_within(line, params)
            )

        return list_page(
            self._store, "balance_transaction", params, url="/v1/balance_transactions", fits=fits
        )
