"""Batches: made from lines, then approved or rejected as a whole.

Locks are taken in one order: batch, payouts, and what the outcome handler locks (docs/locking.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.core.doorbells import ring
from apps.core.ids import uuid7
from apps.core.problems import Problem
from apps.payouts.models import BatchRule, BatchStatus, Payout, PayoutBatch, PayoutStatus
from apps.payouts.outcomes import Outcome, OutcomeKind, announce
from apps.payouts.plan import plan_sha256
from apps.sites.models import Asset, Site
from apps.sites.scope import current_site_id, require_scope, site_scope

SWEEPER = "apps.payouts.tasks.sweep_payouts"


@dataclass(frozen=True, slots=True)
class PayoutLine:
    """One payout to be made: a whole amount to one checksummed address."""

    to_address: str
    amount_base_units: int


class RowsDisagree(RuntimeError):
    """An update met another number of rows than its lock promised; the transaction must not commit."""


def batch_create(
    *, asset_id: UUID, requested_by_id: UUID, lines: Sequence[PayoutLine], batch_id: UUID | None = None
) -> tuple[PayoutBatch, list[Payout]]:
    """STEP: a batch that waits for approval, and its payouts in the order of ``lines``.

    Below the asset's own limit it is approved at once, by rule. Raises ValueError without lines and
    Asset.DoesNotExist.
    """
    site_id = require_scope()
    if not lines:
        raise ValueError("a batch has at least one payout")
    asset = Asset.objects.get(site_id=site_id, id=asset_id)
    batch_id = batch_id or uuid7()
    payouts = [
        Payout(
            batch_id=batch_id,
            asset_id=asset.id,
            to_address=line.to_address,
            amount_base_units=line.amount_base_units,
        )
        for line in lines
    ]
    total = sum(payout.amount_base_units for payout in payouts)
    batch = PayoutBatch.objects.create(
        id=batch_id,
        asset=asset,
        rule=_rule_for(asset, total),
        plan_sha256=plan_sha256(asset, _lines_of(payouts)),
        total_base_units=total,
        payout_count=len(payouts),
        requested_by_id=requested_by_id,
    )
    Payout.objects.bulk_create(payouts)
    if batch.rule == BatchRule.NONE:
        _approve(batch, approved_by_id=None)
    return batch, payouts


def batch_approve(*, batch_id: UUID, plan_sha256: str, approved_by_id: UUID) -> PayoutBatch:
    """ENTRY: approve exactly the plan that was shown; its payouts become ready and a worker is woken.

    Raises Problem 404 not_found, 409 batch_decided, 409 plan_changed (the hash given, the stored one and the
    rows' own differ), 403 second_person_needed.
    """
    with site_scope():
        batch = _locked_draft(batch_id)
        if not plan_sha256 == batch.plan_sha256 == _rows_sha256(batch):
            raise Problem(
                "plan_changed",
                409,
                _("This is not the plan of the batch. Look at it again before approving."),
            )
        # A CHECK stands behind this; here it only gets a readable answer.
        if batch.rule == BatchRule.TWO_PEOPLE and approved_by_id == batch.requested_by_id:
            raise Problem("second_person_needed", 403, _("Another person has to approve what you requested."))
        _approve(batch, approved_by_id=approved_by_id)
        return batch


def batch_reject(*, batch_id: UUID, reason: str, rejected_by_id: UUID) -> PayoutBatch:
    """ENTRY: reject a batch that waits; its payouts are cancelled and what they were for is payable again.

    Raises Problem 404 not_found, 409 batch_decided.
    """
    with site_scope() as site_id:
        batch = _locked_draft(batch_id)
        _decide(batch, BatchStatus.REJECTED, rejected_by_id, reason)
        waiting = Payout.objects.filter(
            site_id=site_id, batch_id=batch.id, status=PayoutStatus.AWAITING_APPROVAL
        )
        ids = list(waiting.select_for_update().order_by("id").values_list("id", flat=True))
        cancelled = Payout.objects.filter(
            site_id=site_id, batch_id=batch.id, status=PayoutStatus.CANCELLED
        ).count()
        changed = waiting.update(status=PayoutStatus.CANCELLED, settled_at=Now())
        _expect(changed + cancelled, batch.payout_count)
        announce(ids, Outcome(OutcomeKind.CANCELLED))
        return batch


def payouts_cancel_unsent(*, payout_ids: Sequence[UUID]) -> list[UUID]:
    """STEP: cancel those of these payouts that no worker has begun to send; which ones they were.

    A payout is cancelled as a whole, and what it was for is payable again; the others of its batch go on, also
    when the batch still waits for approval.
    """
    site_id = require_scope()
    unsent = Payout.objects.filter(
        site_id=site_id,
        id__in=payout_ids,
        status__in=[PayoutStatus.AWAITING_APPROVAL, PayoutStatus.READY],
    )
    batches = PayoutBatch.objects.filter(site_id=site_id, id__in=unsent.values("batch_id"))
    len(batches.select_for_update(of=("self",)).order_by("id").values_list("id"))
    ids = list(unsent.select_for_update().order_by("id").values_list("id", flat=True))
    changed = Payout.objects.filter(site_id=site_id, id__in=ids).update(
        status=PayoutStatus.CANCELLED, next_attempt_at=None, settled_at=Now()
    )
    _expect(changed, len(ids))
    announce(ids, Outcome(OutcomeKind.CANCELLED))
    return ids


def plan_holds(*, batch_id: UUID) -> bool:
    """STEP: whether the batch is still what its hash says, asset and source vault included."""
    batch = PayoutBatch.objects.select_related("asset").get(site_id=require_scope(), id=batch_id)
    return _rows_sha256(batch) == batch.plan_sha256


def _approve(batch: PayoutBatch, *, approved_by_id: UUID | None) -> None:
    _decide(batch, BatchStatus.APPROVED, approved_by_id, "")
    changed = Payout.objects.filter(
        site_id=current_site_id(), batch_id=batch.id, status=PayoutStatus.AWAITING_APPROVAL
    ).update(status=PayoutStatus.READY, next_attempt_at=Now())
    cancelled = Payout.objects.filter(
        site_id=current_site_id(), batch_id=batch.id, status=PayoutStatus.CANCELLED
    )
    _expect(changed + cancelled.count(), batch.payout_count)
    ring(SWEEPER)


def _decide(batch: PayoutBatch, status: BatchStatus, decided_by_id: UUID | None, reason: str) -> None:
    rows = PayoutBatch.objects.filter(site_id=current_site_id(), id=batch.id, status=BatchStatus.DRAFT)
    _expect(rows.update(status=status, decided_by_id=decided_by_id, decided_at=Now(), reason=reason), 1)
    batch.refresh_from_db()


def _locked_draft(batch_id: UUID) -> PayoutBatch:
    batch = (
        PayoutBatch.objects.select_for_update(of=("self",))
        .select_related("asset")
        .filter(site_id=current_site_id(), id=batch_id)
        .first()
    )
    if batch is None:
        raise Problem("not_found", 404, _("There is no such batch."))
    if batch.status != BatchStatus.DRAFT:
        raise Problem("batch_decided", 409, _("This batch is approved or rejected already."))
    return batch


def _rows_sha256(batch: PayoutBatch) -> str:
    rows = Payout.objects.filter(site_id=current_site_id(), batch_id=batch.id)
    return plan_sha256(
        batch.asset,
        [
            (row.id, row.to_address, row.amount_base_units)
            for row in rows.only("to_address", "amount_base_units")
        ],
    )


def _lines_of(payouts: Sequence[Payout]) -> list[tuple[UUID, str, int]]:
    return [(payout.id, payout.to_address, payout.amount_base_units) for payout in payouts]


def _rule_for(asset: Asset, total_base_units: int) -> BatchRule:
    if total_base_units < asset.auto_approve_below_base_units:
        return BatchRule.NONE
    return BatchRule(Site.objects.values_list("approval_rule", flat=True).get(id=current_site_id()))


def _expect(changed: int, expected: int) -> None:
    if changed != expected:
        raise RowsDisagree(f"{changed} rows changed where {expected} were locked")
