"""What a verified body announces: ids and a type, of bounded length, and never the payload itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from apps.webhooks.models import Provider
from apps.webhooks.signatures import UnreadableEvent

# Shorter than the columns: an event id also becomes the actor of history, behind the provider's name.
EVENT_ID_CHARS = 200
EVENT_TYPE_CHARS = 120
OBJECT_ID_CHARS = 255


@dataclass(frozen=True, slots=True)
class Announcement:
    """One event as the inbox keeps it. ``object_id`` is what a worker fetches, "" when there is none."""

    provider: Provider
    event_id: str
    event_type: str
    object_id: str
    payload_sha256: str


def stripe_announcement(event: dict[str, Any], raw: bytes) -> Announcement:
    """Of a Stripe event (API v1). Raises UnreadableEvent.

    The object is the PaymentIntent wherever the event's own object names it: charges, refunds and disputes do.
    """
    data = event.get("data")
    subject = data.get("object") if isinstance(data, dict) else None
    names = subject if isinstance(subject, dict) else {}
    object_id = names.get("payment_intent") or names.get("charge") or names.get("id") or ""
    if isinstance(object_id, dict):  # expanded by the endpoint's settings
        object_id = object_id.get("id")
    return Announcement(
        provider=Provider.STRIPE,
        event_id=_bounded(event.get("id"), EVENT_ID_CHARS),
        event_type=_bounded(event.get("type"), EVENT_TYPE_CHARS),
        object_id=_bounded(object_id, OBJECT_ID_CHARS, required=False),
        payload_sha256=hashlib.sha256(raw).hexdigest(),
    )


def fireblocks_announcement(event: dict[str, Any], raw: bytes) -> Announcement:
    """Of a Fireblocks event of webhooks v2 (eventType, resourceId) or v1 (type, data.id). Raises UnreadableEvent.

    An event of v1 has no id; every status is another body, so the body's hash is one. The transaction's id would
    not do: the first status would swallow the last.
    """
    digest = hashlib.sha256(raw).hexdigest()
    data = event.get("data")
    subject = data.get("id", "") if isinstance(data, dict) else ""
    return Announcement(
        provider=Provider.FIREBLOCKS,
        event_id=_bounded(event.get("id", digest), EVENT_ID_CHARS),
        event_type=_bounded(event.get("eventType", event.get("type")), EVENT_TYPE_CHARS),
        object_id=_bounded(event.get("resourceId", subject), OBJECT_ID_CHARS, required=False),
        payload_sha256=digest,
    )


def _bounded(value: Any, max_chars: int, *, required: bool = True) -> str:
    # PostgreSQL refuses a NUL and what is too long with an error that would be a 500, sent again for days.
    if not isinstance(value, str) or len(value) > max_chars or (required and not value):
        raise UnreadableEvent("event_field_invalid")
    if not (value.isascii() and value.isprintable()):
        raise UnreadableEvent("event_field_invalid")
    return value
