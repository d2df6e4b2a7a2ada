"""A paid order, staff who refund it, and what its tokens are then."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.utils import timezone

from apps.accounts.models import Role
from apps.orders.models import Dispute, Order, Refund
from apps.payouts.models import Payout, PayoutBatch
from apps.vesting.models import Receivable, Release
from apps.vesting.payout_link import payout_batch_request
from apps.vesting.queries import sums_by_asset
from apps.vesting.unlocking import releases_unlock_due
from tests.clients import api_of
from tests.factories import in_site, make_member
from tests.orders.scene import Sale, pay

TOKENS = 100 * 10**18


class Returns(Sale):
    """Two units of 10.00 USD, 100 tokens: 10 % are unlocked at once, the rest is locked for months."""

    def __init__(self, **tier: Any) -> None:
        super().__init__(**tier)
        self.approver = make_member(self.site, Role.APPROVER)
        self.operator = make_member(self.site, Role.OPERATOR)
        self.staff = api_of(self.approver)
        order = self.place()
        pay(order)
        self.paid = self.process(order)
        self.bound(lambda: releases_unlock_due(1000))

    def ask(self, amount_minor: int, reason: str = "asked for by mail", key: str | None = None) -> Any:
        """Staff ask for a refund over HTTP."""
        return self.staff.post(
            f"/api/v1/staff/orders/{self.paid.id}/refunds/",
            {"amount_minor": amount_minor, "reason": reason},
            HTTP_IDEMPOTENCY_KEY=key or str(uuid4()),
        )

    def look(self) -> Order:
        """A worker looks at the order; returns it afterwards."""
        return self.process(self.paid)

    def refunds(self) -> list[Refund]:
        with in_site(self.site):
            return list(Refund.objects.order_by("id"))

    def disputes(self) -> list[Dispute]:
        with in_site(self.site):
            return list(Dispute.objects.order_by("id"))

    def releases(self) -> list[Release]:
        with in_site(self.site):
            return list(Release.objects.order_by("id"))

    def tokens(self) -> dict[str, int]:
        """Whole percents of the order's tokens by state; they make 100."""
        with in_site(self.site):
            [sums] = sums_by_asset(allocation_id=self.paid.allocation_id)
        assert sums.total_base_units == TOKENS
        return {state: amount * 100 // TOKENS for state, amount in sums.by_status.items() if amount}

    def owed(self) -> int:
        with in_site(self.site):
            return sum(row.amount_base_units for row in Receivable.objects.all())

    def batch(self) -> PayoutBatch:
        """Everything that is unlocked is put into a batch."""
        made: PayoutBatch = self.bound(
            lambda: payout_batch_request(asset_id=self.asset.id, requested_by_id=self.operator.id)
        )
        return made

    def payouts(self) -> list[str]:
        with in_site(self.site):
            return [payout.status for payout in Payout.objects.order_by("id")]

    def pay_out(self) -> None:
        """As if everything that is unlocked had left."""
        self.batch()
        with in_site(self.site):
            for status in ("ready", "submitting", "submitted"):
                Payout.objects.update(status=status, next_attempt_at=timezone.now())
            Payout.objects.update(status="paid", next_attempt_at=None, tx_hash="0xabc")
            moving = Release.objects.filter(status="processing")
            moving.update(status="released", released_at=timezone.now(), tx_hash="0xabc")
