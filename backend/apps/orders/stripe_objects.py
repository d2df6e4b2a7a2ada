"""What Stripe's objects say, as far as orders need it. Parsers raise KeyError, TypeError or ValueError."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent. Amounts are minor units of `currency` (lower case)."""

    id: str
    status: str
    amount_minor: int
    amount_received_minor: int
    currency: str
    metadata: Mapping[str, str]
    client_secret: str | None = field(repr=False)
    latest_charge_id: str | None


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund. `status` is pending, requires_action, succeeded, failed or canceled."""

    id: str
    status: str
    amount_minor: int
    currency: str
    intent_id: str | None
    failure_reason: str | None
    # Our Refund row, for those that we asked for.
    row_id: str | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that a charge brought in, and how much of it is given back by now (minor units of `currency`).

    `key` is the PaymentIntent's id; a charge that was made without one is known by its own.
    """

    key: str
    amount_minor: int
    refunded_minor: int
    currency: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute of a payment. `status` is Stripe's own word; `won`, `lost` and two others are the last ones."""

    id: str
    status: str
    amount_minor: int
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class Event:
    """An announced event; `payload` has the shape of the webhook's body."""

    id: str
    type: str
    created_at: datetime
    payload: Mapping[str, Any] = field(repr=False)


def intent_of(answer: Mapping[str, Any]) -> Intent:
    """A PaymentIntent as Stripe sends it."""
    return Intent(
        id=_text(answer["id"]),
        status=_text(answer["status"]),
        amount_minor=_whole(answer["amount"]),
        amount_received_minor=_whole(answer.get("amount_received", 0)),
        currency=_text(answer["currency"]),
        metadata=dict(answer.get("metadata") or {}),
        client_secret=answer.get("client_secret"),
        latest_charge_id=id_of(answer.get("latest_charge")),
    )


def refund_of(answer: Mapping[str, Any]) -> Refund:
    """A refund as Stripe sends it."""
    return Refund(
        id=_text(answer["id"]),
        status=_text(answer["status"]),
        amount_minor=_whole(answer["amount"]),
        currency=_text(answer["currency"]),
        intent_id=id_of(answer.get("payment_intent")),
        failure_reason=answer.get("failure_reason"),
        row_id=(answer.get("metadata") or {}).get("refund_id"),
    )


def payment_of(charge: Mapping[str, Any]) -> Payment:
    """A charge as Stripe sends it."""
    return Payment(
        key=id_of(charge.get("payment_intent")) or _text(charge["id"]),
        amount_minor=_whole(charge["amount_captured"]),
        refunded_minor=_whole(charge["amount_refunded"]),
        currency=_text(charge["currency"]),
        metadata=dict(charge.get("metadata") or {}),
    )


def movement_of(line: Mapping[str, Any]) -> Payment | Refund | None:
    """The payment or refund that a balance transaction with its expanded source is about; None for others."""
    source = line.get("source")
    kind = source.get("object") if isinstance(source, dict) else None
    if kind == "charge":
        return payment_of(source)  # type: ignore[arg-type]  # a dict, as kind says
    return refund_of(source) if kind == "refund" else None  # type: ignore[arg-type]


def dispute_of(answer: Mapping[str, Any]) -> Dispute:
    """A dispute as Stripe sends it."""
    return Dispute(
        id=_text(answer["id"]),
        status=_text(answer["status"]),
        amount_minor=_whole(answer["amount"]),
        currency=_text(answer["currency"]),
        reason=str(answer.get("reason") or ""),
    )


def event_of(answer: Mapping[str, Any]) -> Event:
    """An event as Stripe lists or announces it."""
    created_at = datetime.fromtimestamp(_whole(answer["created"]), UTC)
    return Event(id=_text(answer["id"]), type=_text(answer["type"]), created_at=created_at, payload=answer)


def id_of(value: Any) -> str | None:
    """An id that Stripe may have expanded into the whole object."""
    return _text(value["id"]) if isinstance(value, dict) else value or None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("text expected")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("a whole number expected")
    return value
