"""The Stripe sandbox's page and state dump."""

from __future__ import annotations

from itertools import islice

from devstack.http_messages import Response
from devstack.sandbox_parts.faults import Faults
from devstack.sandbox_parts.page import PAGE_ROWS, Table, clock, deliveries_table, render_page
from devstack.sandbox_parts.store import Document, Store
from devstack.webhook_sender import WebhookSender

_KINDS = ("customer", "payment_intent", "charge", "refund", "dispute", "event")


def dump(store: Store, sender: WebhookSender, faults: Faults) -> Document:
    """Everything the sandbox holds, newest first."""
    with store.transaction():
        held: Document = {f"{kind}s": list(store.newest(kind)) for kind in _KINDS}
        return {**held, "deliveries": sender.deliveries(), "faults": faults.waiting()}


def page(store: Store, sender: WebhookSender) -> Response:
    """Tables of PaymentIntents, refunds, events and deliveries."""

    def rows(kind: str, *names: str) -> list[list[object]]:
        return [
            [clock(item["created"]), *(item[name] for name in names)]
            for item in islice(store.newest(kind), PAGE_ROWS)
        ]

    intents = [
        [*row[:-1], ", ".join(f"{key}={value}" for key, value in sorted(_pairs(row[-1])))]
        for row in rows("payment_intent", "id", "status", "amount", "currency", "amount_received", "metadata")
    ]
    tables = [
        Table(
            "PaymentIntents",
            ("time", "id", "status", "amount (minor)", "currency", "received (minor)", "metadata"),
            intents,
        ),
        Table(
            "Refunds",
            ("time", "id", "status", "amount (minor)", "currency", "payment_intent"),
            rows("refund", "id", "status", "amount", "currency", "payment_intent"),
            ids=frozenset({"id", "payment_intent"}),
        ),
        Table("Events", ("time", "id", "type"), rows("event", "id", "type")),
        deliveries_table(sender.deliveries(limit=PAGE_ROWS)),
    ]
    return render_page(title="Stripe sandbox", note="Newest first. No real money is here.", tables=tables)


def _pairs(metadata: object) -> list[tuple[str, str]]:
    return list(metadata.items()) if isinstance(metadata, dict) else []
