"""What a site's own systems can subscribe to: which change of which table is announced, and with which fields."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Announced:
    """One table: ``born`` is announced for a new row, ``states`` maps a status to what reaching it announces.

    A table without ``born`` announces a new row by its state (a revoked part of a release is born so).

    ``fields`` go into the message's data, as text where they are amounts. None of them is personal data: who may
    know more asks the API by the ids.
    """

    model: str
    noun: str
    fields: tuple[str, ...]
    born: str = ""
    states: dict[str, str] = field(default_factory=dict)

    def event_types(self) -> list[str]:
        """Their full names, like ``order.paid``."""
        words = [self.born, *self.states.values()] if self.born else list(self.states.values())
        return [f"{self.noun}.{word}" for word in dict.fromkeys(words)]


ORDERS = Announced(
    model="orders.Order",
    noun="order",
    fields=(
        "status",
        "buyer",
        "tier",
        "allocation",
        "quantity_units",
        "amount_minor",
        "currency",
        "refunded_minor",
    ),
    born="created",
    states={
        "paid": "paid",
        "expired": "expired",
        "cancelled": "cancelled",
        "failed": "failed",
        "refund_due": "refund_due",
        "refunded": "refunded",
        "disputed": "disputed",
    },
)
ALLOCATIONS = Announced(
    model="vesting.Allocation",
    noun="allocation",
    fields=("asset", "beneficiary", "amount_base_units", "source_kind", "source_id"),
    born="created",
)
RELEASES = Announced(
    model="vesting.Release",
    noun="release",
    fields=("status", "allocation", "number", "amount_base_units", "unlock_at", "split_of", "tx_hash"),
    states={
        "unlocked": "unlocked",
        "released": "released",
        "frozen": "frozen",
        "revoked": "revoked",
    },
)
PAYOUTS = Announced(
    model="payouts.Payout",
    noun="payout",
    fields=("status", "batch", "asset", "amount_base_units", "hold_code", "tx_hash"),
    states={
        "ready": "approved",
        "submitted": "submitted",
        "paid": "paid",
        "held": "held",
        "failed": "failed",
        "cancelled": "cancelled",
    },
)
CATALOGUE = (ORDERS, ALLOCATIONS, RELEASES, PAYOUTS)
# Sent on request only, to try an address.
TEST_EVENT = "webhook.test"
EVENT_TYPES = [name for announced in CATALOGUE for name in announced.event_types()]
