"""What one side says against what the other says: plain values in, named differences out; no ORM, nothing remote.

``expected`` is what our rows say, ``found`` what the provider or the chain says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

NOTHING = "nothing"


class Kind(StrEnum):
    """Each name is stable: reports, filters and docs/three-way-check.md use it."""

    PAYMENT_WITHOUT_ORDER = "payment_without_order"
    PAYMENT_NOT_BOOKED = "payment_not_booked"
    PAYMENT_MISSING = "payment_missing"
    PAYMENT_AMOUNT = "payment_amount"
    PAYMENT_REFUNDED = "payment_refunded"
    REFUND_WITHOUT_ROW = "refund_without_row"
    REFUND_MISSING = "refund_missing"
    REFUND_AMOUNT = "refund_amount"
    REFUND_STATUS = "refund_status"
    TRANSFER_WITHOUT_PAYOUT = "transfer_without_payout"
    TRANSFER_NOT_BOOKED = "transfer_not_booked"
    TRANSFER_MISSING = "transfer_missing"
    TRANSFER_AMOUNT = "transfer_amount"
    TRANSFER_ADDRESS = "transfer_address"
    TRANSFER_HASH = "transfer_hash"


class Subject(StrEnum):
    """What can be compared; each has one key, the provider's id for it."""

    PAYMENT = "payment"
    REFUND = "refund"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. ``row_id`` is our order, refund or payout, None for what has no row."""

    kind: Kind
    expected: str
    found: str
    row_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Money:
    """Minor units of a currency (lower case)."""

    minor: int
    currency: str

    def __str__(self) -> str:
        return f"{self.minor} {self.currency.upper()}"


@dataclass(frozen=True, slots=True)
class BookedPayment:
    """An order as far as its payment goes. ``is_paid``: it says that money came in."""

    row_id: UUID
    amount: Money
    refunded_minor: int
    status: str
    is_paid: bool


@dataclass(frozen=True, slots=True)
class ToldPayment:
    """A payment at Stripe."""

    amount: Money
    refunded_minor: int


@dataclass(frozen=True, slots=True)
class BookedRefund:
    """A refund's row."""

    row_id: UUID
    amount: Money
    status: str


@dataclass(frozen=True, slots=True)
class ToldRefund:
    """A refund at Stripe."""

    amount: Money
    status: str


@dataclass(frozen=True, slots=True)
class BookedTransfer:
    """A payout as one attempt left it. ``is_held``: a person has it already, whatever is found."""

    row_id: UUID
    amount_base_units: int
    to_address: str
    tx_hash: str
    status: str
    is_moved: bool
    is_held: bool


@dataclass(frozen=True, slots=True)
class ToldTransfer:
    """A transfer at the provider or on chain. Amount and address are None when it did not tell them."""

    is_moved: bool
    amount_base_units: int | None
    to_address: str | None
    tx_hash: str
    status: str


def compare_payment(told: ToldPayment | None, booked: BookedPayment | None) -> Iterator[Finding]:
    """An order against the payment of its PaymentIntent."""
    if booked is None:
        if told is not None:
            yield Finding(Kind.PAYMENT_WITHOUT_ORDER, NOTHING, str(told.amount))
        return
    row = booked.row_id
    if told is None:
        if booked.is_paid:
            yield Finding(Kind.PAYMENT_MISSING, str(booked.amount), NOTHING, row)
        return
    if not booked.is_paid:
        yield Finding(Kind.PAYMENT_NOT_BOOKED, booked.status, str(told.amount), row)
    if told.amount != booked.amount:
        yield Finding(Kind.PAYMENT_AMOUNT, str(booked.amount), str(told.amount), row)
    if told.refunded_minor != booked.refunded_minor:
        yield Finding(Kind.PAYMENT_REFUNDED, str(booked.refunded_minor), str(told.refunded_minor), row)


def compare_refund(told: ToldRefund | None, booked: BookedRefund | None) -> Iterator[Finding]:
    """A refund's row against the refund with its id at Stripe."""
    if booked is None:
        if told is not None:
            yield Finding(Kind.REFUND_WITHOUT_ROW, NOTHING, f"{told.amount} {told.status}")
        return
    if told is None:
        yield Finding(Kind.REFUND_MISSING, str(booked.amount), NOTHING, booked.row_id)
        return
    if told.amount != booked.amount:
        yield Finding(Kind.REFUND_AMOUNT, str(booked.amount), str(told.amount), booked.row_id)
    if told.status != booked.status:
        yield Finding(Kind.REFUND_STATUS, booked.status, told.status, booked.row_id)


def compare_transfer(told: ToldTransfer | None, booked: BookedTransfer | None) -> Iterator[Finding]:
    """A payout's attempt against the transfer under its id."""
    moved = told is not None and told.is_moved
    if booked is None:
        if told is not None and moved:
            found = f"{told.amount_base_units} to {told.to_address}"
            yield Finding(Kind.TRANSFER_WITHOUT_PAYOUT, NOTHING, found)
        return
    row = booked.row_id
    if booked.is_moved and not moved:
        found = told.status if told else NOTHING
        yield Finding(Kind.TRANSFER_MISSING, str(booked.amount_base_units), found, row)
    if told is None or not moved:
        return
    if not booked.is_moved and not booked.is_held:
        yield Finding(Kind.TRANSFER_NOT_BOOKED, booked.status, str(told.amount_base_units), row)
    if told.amount_base_units != booked.amount_base_units:
        found = str(told.amount_base_units)
        yield Finding(Kind.TRANSFER_AMOUNT, str(booked.amount_base_units), found, row)
    if (told.to_address or "").lower() != booked.to_address.lower():
        yield Finding(Kind.TRANSFER_ADDRESS, booked.to_address, str(told.to_address), row)
    if booked.is_moved and told.tx_hash.lower() != booked.tx_hash.lower():
        yield Finding(Kind.TRANSFER_HASH, booked.tx_hash, told.tx_hash, row)
