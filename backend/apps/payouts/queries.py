"""Reads of batches, payouts and attempts for staff."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet

from apps.payouts.models import Payout, PayoutAttempt, PayoutBatch, PayoutStatus
from apps.payouts.resolution_models import PayoutResolution
from apps.sites.scope import current_site_id


def batches_of_site(*, status: str | None = None) -> QuerySet[PayoutBatch]:
    """Batches of the open scope's site with their asset, to be paged by id."""
    rows = PayoutBatch.objects.select_related("asset").filter(site_id=current_site_id())
    return rows.filter(status=status) if status else rows


def batch_of_site(*, batch_id: UUID) -> PayoutBatch | None:
    """One batch with its asset."""
    return batches_of_site().filter(id=batch_id).first()


def payouts_of_batch(*, batch_id: UUID) -> QuerySet[Payout]:
    """A batch's payouts with their asset, to be paged by id."""
    return Payout.objects.select_related("asset").filter(site_id=current_site_id(), batch_id=batch_id)


def payouts_held() -> QuerySet[Payout]:
    """Payouts of the open scope's site that wait for a person, with their asset, to be paged by id."""
    return Payout.objects.select_related("asset").filter(site_id=current_site_id(), status=PayoutStatus.HELD)


def resolutions_of_site(*, state: str | None = None) -> QuerySet[PayoutResolution]:
    """What was asked and decided about held payouts of the open scope's site, to be paged by id."""
    rows = PayoutResolution.objects.filter(site_id=current_site_id())
    return rows.filter(state=state) if state else rows


def attempts_of_payouts(*, payout_ids: Sequence[UUID]) -> dict[UUID, list[PayoutAttempt]]:
    """The attempts of each payout, in their order, by one query."""
    found: dict[UUID, list[PayoutAttempt]] = {payout_id: [] for payout_id in payout_ids}
    rows = PayoutAttempt.objects.filter(site_id=current_site_id(), payout_id__in=payout_ids)
    for attempt in rows.order_by("payout_id", "number"):
        found[attempt.payout_id].append(attempt)
    return found
