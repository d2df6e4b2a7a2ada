"""Webhook v2 events of transactions: recorded with the change, delivered by the sender."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from devstack.sandbox_parts.faults import WEBHOOK_FAULTS, Faults
from devstack.sandbox_parts.store import Document, Store
from devstack.webhook_sender import WebhookSender, delivery_of


class Events:
    """Records events in the caller's transaction."""

    def __init__(self, store: Store, sender: WebhookSender, faults: Faults, *, workspace_id: str) -> None:
        self._store = store
        self._sender = sender
        self._faults = faults
        self._workspace_id = workspace_id

    def record(self, event_type: str, transaction: Document) -> None:
        """Record a change; a webhook fault may name the event type or the transaction's new status."""
        event: Document = {
            "id": str(uuid.uuid4()),
            "eventType": event_type,
            "resourceId": transaction["id"],
            "data": transaction,
            "createdAt": int(time.time() * 1000),
            "workspaceId": self._workspace_id,
        }
        self._store.add("event", event["id"], event)
        names = (event_type, transaction["status"], "webhooks")
        fault = self._faults.take(WEBHOOK_FAULTS, names, json.dumps(transaction))
        if fault and fault.kind == "forge_webhooks":
            # Whatever happened, somebody else says that it is completed.
            completed = {**transaction, "status": "COMPLETED"}
            self._send({**event, "id": str(uuid.uuid4()), "data": completed}, forged=True)
        self._send(event, **delivery_of(fault))

    def resend(self, event_id: str) -> bool:
        """Deliver an event once more; False when it is unknown."""
        with self._store.transaction():
            event = self._store.get("event", event_id)
            if event is None:
                return False
            self._send(event)
            return True

    def _send(self, event: Document, **how: Any) -> None:
        self._sender.enqueue(
            event_id=event["id"],
            event_type=f"{event['eventType']} {event['data']['status']}",
            body=json.dumps(event).encode(),
            **how,
        )
