"""Payouts that were sent an hour ago and never heard of again; what became of them is at the provider."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import requests
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.ids import uuid7
from apps.payouts.external_ids import ExternalId
from apps.payouts.models import Payout, PayoutAttempt
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.factories import in_site
from tests.payouts.scenes import TOKEN, Scene


class StuckScene(Scene):
    """A site with ``count`` payouts of a token each, all due; nothing of them is at the provider yet."""

    def __init__(self, code: str, count: int) -> None:
        super().__init__(code)
        self.sent = [self._attempt(payout, n) for n, payout in enumerate(self.ready(*[TOKEN] * count))]
        with in_site(self.site):
            PayoutAttempt.objects.bulk_create(self.sent)
            Payout.objects.update(status="submitting")
            Payout.objects.update(status="submitted", next_attempt_at=Now())

    def planted(self, sandbox: FireblocksSandbox, **of_the_first: Any) -> None:
        """All of them have arrived; the first one as it is told."""
        address_of = {payout.id: payout.to_address for payout in self.payouts()}
        told = [
            {
                "externalTxId": attempt.external_id,
                "assetId": self.asset.custody_asset_id,
                "vault": self.asset.custody_vault_id,
                "address": address_of[attempt.payout_id],
                "amount": "1",
                "createdAt": int(attempt.last_sent_at.timestamp() * 1000) if attempt.last_sent_at else 0,
            }
            for attempt in self.sent
        ]
        told[0] |= of_the_first
        answer = requests.post(
            f"{sandbox.base_url}/_sandbox/transactions", json={"transactions": told}, timeout=5
        )
        answer.raise_for_status()

    def statuses(self) -> list[str]:
        return [payout.status for payout in self.payouts()]

    def _attempt(self, payout: Payout, n: int) -> PayoutAttempt:
        attempt = PayoutAttempt(id=uuid7(), site_id=self.site.id, payout_id=payout.id, number=1)
        attempt.external_id = str(ExternalId(self.site.id, attempt.id))
        attempt.sends = 1
        attempt.last_sent_at = timezone.now() - timedelta(hours=1, milliseconds=-n)
        return attempt


def operations(sandbox: FireblocksSandbox) -> list[str]:
    """What was asked of the provider, in turn."""
    return [operation.removeprefix("transactions.") for _at_s, operation in sandbox.calls]


def a_minute_passes() -> None:
    """For the pace of all providers."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts_providerpace SET free_at = free_at - interval '1 minute',"
            " paused_until = paused_until - interval '1 minute'"
        )
