"""Refunds and disputes at Stripe, as rows of ours. An older answer of Stripe never undoes a newer one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from apps.orders.models import (
    DISPUTE_STEPS,
    REFUND_STEPS,
    Dispute,
    DisputeStatus,
    Order,
    Refund,
    RefundOrigin,
    RefundStatus,
)
from apps.orders.stripe_gateway import Dispute as StripeDispute
from apps.orders.stripe_gateway import Refund as StripeRefund
from apps.sites.scope import current_site_id
from apps.vesting.revocation import Cause

logger = logging.getLogger("posx.orders")

# Inquiries end without money; a status that Stripe may add later is an open dispute.
_DISPUTE_END = {
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
    "warning_closed": DisputeStatus.CLOSED,
    "prevented": DisputeStatus.CLOSED,
}
_UNSETTLED = (RefundStatus.REQUESTED, RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION)
OVER = (RefundStatus.FAILED, RefundStatus.CANCELED)


@dataclass(frozen=True)
class Returned:
    """What of an order's payment went back. ``causes``: each with the total (minor units) reached by it."""

    refunded_minor: int
    lost_minor: int
    causes: list[tuple[Cause, int]]
    is_disputed: bool
    is_unsettled: bool

    @property
    def total_minor(self) -> int:
        return self.refunded_minor + self.lost_minor


def refund_rows_follow(order: Order, refunds: Sequence[StripeRefund]) -> None:
    """STEP: write what Stripe says about the refunds of a locked order; those we did not ask for become rows."""
    rows = list(Refund.objects.filter(site_id=current_site_id(), order_id=order.id))
    by_stripe_id = {row.stripe_refund_id: row for row in rows if row.stripe_refund_id}
    asked = {str(row.id): row for row in rows if not row.stripe_refund_id}
    for refund in sorted(refunds, key=lambda one: one.id):
        row = by_stripe_id.get(refund.id) or asked.get(refund.row_id or "")
        # Metadata can be typed by hand at Stripe: only what was asked for is taken for it.
        if row is None or row.amount_minor != refund.amount_minor:
            _refund_found(order, refund)
        else:
            _refund_moved(row, refund)


def dispute_rows_follow(order: Order, disputes: Sequence[StripeDispute]) -> None:
    """STEP: write what Stripe says about the disputes of a locked order."""
    rows = {
        row.stripe_dispute_id: row
        for row in Dispute.objects.filter(site_id=current_site_id(), order_id=order.id)
    }
    for dispute in disputes:
        status = _DISPUTE_END.get(dispute.status, DisputeStatus.OPEN)
        settled_at = None if status is DisputeStatus.OPEN else timezone.now()
        row = rows.get(dispute.id)
        if row is None:
            Dispute.objects.create(
                order_id=order.id,
                stripe_dispute_id=dispute.id,
                amount_minor=dispute.amount_minor,
                reason=dispute.reason[:64],
                status=status,
                settled_at=settled_at,
            )
        elif status in DISPUTE_STEPS.get(row.status, []):
            _move(Dispute, row, status=status, settled_at=settled_at)


def returned_of(order: Order) -> Returned:
    """STEP: the sums of a locked order's rows, its causes in the order in which they were settled."""
    refunds = list(Refund.objects.filter(site_id=current_site_id(), order_id=order.id))
    disputes = list(Dispute.objects.filter(site_id=current_site_id(), order_id=order.id))
    done = [row for row in refunds if row.status == RefundStatus.SUCCEEDED]
    lost = [row for row in disputes if row.status == DisputeStatus.LOST]
    refunded_minor = sum(row.amount_minor for row in done)
    # A refund that crossed a lost dispute is the seller's loss; more than was paid cannot be revoked for it.
    lost_minor = min(sum(row.amount_minor for row in lost), order.amount_minor - refunded_minor)
    causes, total_minor = [], 0
    settled = [
        *((row.settled_at, Cause("refund", row.id), row.amount_minor) for row in done),
        *((row.settled_at, Cause("dispute", row.id), row.amount_minor) for row in lost),
    ]
    for _at, cause, amount_minor in sorted(settled, key=lambda one: (one[0], one[1].id)):
        total_minor = min(total_minor + amount_minor, order.amount_minor)
        causes.append((cause, total_minor))
    return Returned(
        refunded_minor=refunded_minor,
        lost_minor=lost_minor,
        causes=causes,
        is_disputed=any(row.status == DisputeStatus.OPEN for row in disputes),
        is_unsettled=any(row.status in _UNSETTLED for row in refunds),
    )


def refund_refused(row: Refund, code: str) -> None:
    """STEP: Stripe will not make this refund, and nothing happened there."""
    _move(Refund, row, status=RefundStatus.FAILED, failure_code=code[:64], settled_at=timezone.now())


def _refund_found(order: Order, refund: StripeRefund) -> None:
    # Without an allocation the money came too late, and order_refund gave it back.
    origin = RefundOrigin.STRIPE if order.allocation_id else RefundOrigin.AUTOMATIC
    Refund.objects.create(
        order_id=order.id,
        amount_minor=refund.amount_minor,
        origin=origin,
        stripe_refund_id=refund.id,
        **_said(refund),
    )


def _refund_moved(row: Refund, refund: StripeRefund) -> None:
    said = _said(refund)
    if said["status"] not in REFUND_STEPS.get(row.status, []):
        return
    if row.status == RefundStatus.SUCCEEDED:
        logger.error("Refund %s had succeeded, and the bank sent it back (%s)", row.id, refund.id)
    _move(Refund, row, stripe_refund_id=refund.id, **said)


def _said(refund: StripeRefund) -> dict[str, Any]:
    known = refund.status in RefundStatus.values
    status = RefundStatus(refund.status) if known else RefundStatus.PENDING
    settled = status not in _UNSETTLED
    return {
        "status": status,
        "failure_code": (refund.failure_reason or "")[:64],
        "settled_at": timezone.now() if settled else None,
    }


def _move(model: type[Refund] | type[Dispute], row: Refund | Dispute, **fields: Any) -> None:
    # The order's lock is held by every writer; a row that moved without it stays as it is.
    model.objects.filter(site_id=current_site_id(), id=row.id, status=row.status).update(**fields)
