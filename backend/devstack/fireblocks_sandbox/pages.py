"""The Fireblocks sandbox's page and state dump."""

from __future__ import annotations

from itertools import islice

from devstack.fireblocks_sandbox.balances import Balances
from devstack.http_messages import Response
from devstack.sandbox_parts.faults import Faults
from devstack.sandbox_parts.page import PAGE_ROWS, Table, clock, deliveries_table, render_page
from devstack.sandbox_parts.store import Document, Store
from devstack.webhook_sender import WebhookSender


def dump(store: Store, balances: Balances, sender: WebhookSender, faults: Faults) -> Document:
    """Everything the sandbox holds, newest first."""
    with store.transaction():
        return {
            "transactions": [record["tx"] for record in store.newest("transaction")],
            "balances": balances.listed(),
            "assets": balances.assets(),
            "events": list(store.newest("event")),
            "deliveries": sender.deliveries(),
            "faults": faults.waiting(),
        }


def page(store: Store, balances: Balances, sender: WebhookSender) -> Response:
    """Tables of transactions, balances and deliveries."""
    transactions = [
        (
            clock(tx["createdAt"] / 1000), tx["externalTxId"] or tx["id"], tx["status"], tx["subStatus"],
            tx["amountInfo"]["amount"], tx["assetId"], tx["destinationAddress"], tx["txHash"],
        )
        for tx in (record["tx"] for record in islice(store.newest("transaction"), PAGE_ROWS))
    ]  # fmt: skip
    held = [
        (row["vault"], row["id"], row["total"], row["lockedAmount"], row["available"])
        for row in balances.listed()
    ]
    tables = [
        Table(
            "Transactions",
            ("time", "external id", "status", "sub-status", "amount", "asset", "to", "hash"),
            transactions,
            ids=frozenset({"external id", "to", "hash"}),
        ),
        Table("Balances", ("vault", "asset", "total", "locked", "available"), held),
        deliveries_table(sender.deliveries(limit=PAGE_ROWS)),
    ]
    return render_page(title="Fireblocks sandbox", note="Newest first. No real token is here.", tables=tables)
