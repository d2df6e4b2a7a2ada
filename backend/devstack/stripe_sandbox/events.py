"""Events: one for each change, kept for events.list and sent as webhooks."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

from devstack.sandbox_parts.faults import WEBHOOK_FAULTS, Faults
from devstack.sandbox_parts.store import Document, Store
from devstack.stripe_sandbox.forms import Params, as_list, text
from devstack.stripe_sandbox.listing import created_within, list_page
from devstack.stripe_sandbox.objects import Object, new_id
from devstack.webhook_sender import WebhookSender, delivery_of

API_VERSION = "2026-10-28.endive"


class Events:
    """Records events in the caller's transaction; the sender delivers them afterwards."""

    def __init__(self, store: Store, sender: WebhookSender, faults: Faults) -> None:
        self._store = store
        self._sender = sender
        self._faults = faults

    def record(self, event_type: str, subject: Object) -> None:
        """Record that `subject` is now as given; the event keeps its own copy."""
        event: Document = {
            "id": new_id("evt_"),
            "object": "event",
            "api_version": API_VERSION,
            "created": max(int(subject["created"]), _now()),
            "data": {"object": copy.deepcopy(subject)},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": new_id("req_", 14), "idempotency_key": None},
            "type": event_type,
        }
        self._store.add("event", event["id"], event)
        fault = self._faults.take(WEBHOOK_FAULTS, (event_type, "webhooks"), json.dumps(subject))
        if fault and fault.kind == "forge_webhooks":
            # Whatever happened, somebody else says that it was paid.
            self._send({**event, "id": new_id("evt_"), "type": "payment_intent.succeeded"}, forged=True)
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
        body = json.dumps(event, indent=2).encode()
        self._sender.enqueue(event_id=event["id"], event_type=event["type"], body=body, **how)

    def retrieve(self, event_id: str) -> Document | None:
        """One event with its count of webhooks that are not delivered yet."""
        event = self._store.get("event", event_id)
        return self._with_pending(event) if event else None

    def list(self, params: Params) -> Document:
        """events.list, newest first: type, types[] (trailing * allowed), created[..], delivery_success."""
        wanted = as_list(params.get("types")) + as_list(text(params, "type"))
        success = text(params, "delivery_success")

        def fits(event: Document) -> bool:
            return (
                (not wanted or any(_type_fits(event["type"], pattern) for pattern in wanted))
                and created_within(event, params)
                and (success is None or self._delivered(event["id"]) == (success == "true"))
            )

        page = list_page(self._store, "event", params, url="/v1/events", fits=fits)
        return {**page, "data": [self._with_pending(event) for event in page["data"]]}

    def endpoints(self) -> Document:
        """webhook_endpoints.list: the one that events are sent to."""
        url = self._sender.url
        one = {
            "id": "we_sandbox",
            "object": "webhook_endpoint",
            "url": url,
            "status": "enabled",
            "enabled_events": ["*"],
            "livemode": False,
        }
        return {
            "object": "list",
            "url": "/v1/webhook_endpoints",
            "has_more": False,
            "data": [one] if url else [],
        }

    def _delivered(self, event_id: str) -> bool:
        states = self._sender.states_of(event_id)
        return not states or "delivered" in states

    def _with_pending(self, event: Document) -> Document:
        states = self._sender.states_of(event["id"])
        pending: dict[str, Any] = {"pending_webhooks": states.count("pending")}
        return {**event, **pending}


def _type_fits(event_type: str, pattern: str) -> bool:
    if pattern.endswith("*"):
        return event_type.startswith(pattern[:-1])
    return event_type == pattern


def _now() -> int:
    return int(time.time())
