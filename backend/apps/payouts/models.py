"""Sending tokens: a batch that people approve, a payout for each address, an attempt for each submission."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Membership
from apps.audit.trail import AuditTrail
from apps.core.amounts import BaseUnitsField
from apps.core.rules import Frozen, Transitions
from apps.payouts.evm_models import (  # noqa: F401 - Django finds models here only
    EvmToken,
    EvmTransaction,
    EvmTransfer,
    HotWallet,
    TransferOutcome,
)
from apps.payouts.fence_models import SendingFence  # noqa: F401 - as above
from apps.payouts.fireblocks_models import FireblocksAsset  # noqa: F401 - as above
from apps.payouts.pace_models import ProviderPace, SweepTurn  # noqa: F401 - as above
from apps.payouts.resolution_models import PayoutResolution  # noqa: F401 - as above
from apps.payouts.resolution_rules import HeldLeavesByDecision, HeldLeavesNoDecisionOpen
from apps.payouts.rules import BatchIsItsPayouts, FailsOnlyUnsigned, PayoutsWithinBatch
from apps.sites.models import Asset, CustodyProvider
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.lookup import DueQueue
from apps.sites.rules.policy import site_rules


class BatchStatus(models.TextChoices):
    DRAFT = "draft", _("Waits for approval")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")


class BatchRule(models.TextChoices):
    """The approval rule that was in force when the batch was made."""

    TWO_PEOPLE = "two_people", _("Another person approves")
    ONE_PERSON = "one_person", _("The requester may approve")
    NONE = "none", _("Below the asset's limit")


class PayoutBatch(SiteOwned):
    """What one person asked to pay out of one asset. ``plan_sha256`` covers every address and amount."""

    asset = SiteForeignKey(Asset)
    status = models.CharField(
        _("status"), max_length=8, choices=BatchStatus.choices, default=BatchStatus.DRAFT
    )
    rule = models.CharField(_("approval rule"), max_length=10, choices=BatchRule.choices)
    plan_sha256 = models.CharField(_("plan hash"), max_length=64)
    total_base_units = BaseUnitsField(_("total (base units)"))
    payout_count = models.PositiveIntegerField(_("payouts"))
    requested_by = SiteForeignKey(Membership)
    decided_by = SiteForeignKey(Membership, null=True, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("payout batch")
        verbose_name_plural = _("payout batches")
        constraints = [
            *site_rules("payoutbatch", references=["asset", "requested_by", "decided_by"]),
            models.CheckConstraint(
                condition=Q(status__in=BatchStatus.values), name="payoutbatch_status_known"
            ),
            models.CheckConstraint(condition=Q(total_base_units__gt=0), name="payoutbatch_total_positive"),
            models.CheckConstraint(
                condition=~Q(status="approved")
                | Q(rule="none")
                | (Q(rule="one_person") & Q(decided_by__isnull=False))
                | (Q(rule="two_people") & Q(decided_by__isnull=False) & ~Q(decided_by=F("requested_by"))),
                name="payoutbatch_second_person",
            ),
            models.CheckConstraint(
                condition=Q(status="draft") | Q(decided_at__isnull=False), name="payoutbatch_decided_has_time"
            ),
            Transitions(
                name="payoutbatch_states",
                field="status",
                born=["draft"],
                edges={"draft": ["approved", "rejected"]},
            ),
            Frozen(
                name="payoutbatch_frozen",
                fields=[
                    "site",
                    "asset",
                    "rule",
                    "plan_sha256",
                    "total_base_units",
                    "payout_count",
                    "requested_by",
                ],
            ),
            BatchIsItsPayouts(name="payoutbatch_whole"),
            Frozen(name="payoutbatch_decided_once", fields=["decided_by", "decided_at"], once=True),
            AuditTrail(
                name="payoutbatch_audit",
                fields=["status", "plan_sha256", "requested_by", "decided_by", "reason"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d} {self.get_status_display()}"


class PayoutStatus(models.TextChoices):
    AWAITING_APPROVAL = "awaiting_approval", _("Awaits approval")
    READY = "ready", _("Ready")
    SUBMITTING = "submitting", _("Being submitted")
    SUBMITTED = "submitted", _("Submitted")
    PAID = "paid", _("Paid")
    FAILED = "failed", _("Failed, nothing moved")
    HELD = "held", _("Held for a person")
    CANCELLED = "cancelled", _("Cancelled")


class Payout(SiteOwned):
    """The intent to send one amount of one asset to one address.

    ``next_attempt_at`` is when a worker should look at it: to submit it, to ask what became of it, or to settle
    it. A worker holds it by ``lease_token`` until ``lease_until`` and may only write while both are its own.
    """

    batch = SiteForeignKey(PayoutBatch)
    asset = SiteForeignKey(Asset)
    to_address = models.CharField(_("to address"), max_length=42)
    amount_base_units = BaseUnitsField(_("amount (base units)"))
    status = models.CharField(
        _("status"), max_length=17, choices=PayoutStatus.choices, default=PayoutStatus.AWAITING_APPROVAL
    )
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True, blank=True)
    lease_token = models.UUIDField(_("lease"), null=True, blank=True)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    hold_code = models.CharField(_("held because"), max_length=64, blank=True)
    tx_hash = models.CharField(_("transaction hash"), max_length=80, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True)

    class Meta:
        verbose_name = _("payout")
        verbose_name_plural = _("payouts")
        indexes = [
            models.Index(fields=["site", "batch", "id"], name="payout_batch"),
            models.Index(
                fields=["site", "next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="payout_due",
            ),
            models.Index(
                fields=["site", "settled_at"],
                condition=Q(settled_at__isnull=False),
                name="payout_settled_time",
            ),
            models.Index(fields=["site", "id"], condition=Q(status="held"), name="payout_held"),
            # Whose is this transaction? Asked before it settles a held payout.
            models.Index(fields=["site", "tx_hash"], condition=~Q(tx_hash=""), name="payout_hash"),
        ]
        constraints = [
            *site_rules("payout", references=["batch", "asset"]),
            models.CheckConstraint(condition=Q(amount_base_units__gt=0), name="payout_amount_positive"),
            models.CheckConstraint(condition=Q(status__in=PayoutStatus.values), name="payout_status_known"),
            models.CheckConstraint(condition=~Q(status="paid") | ~Q(tx_hash=""), name="payout_paid_has_hash"),
            models.CheckConstraint(
                condition=~Q(status="held") | ~Q(hold_code=""), name="payout_held_has_code"
            ),
            # Work that no sweeper can find would be lost; a held payout may be due (an event came) or not.
            models.CheckConstraint(
                condition=Q(status__in=["ready", "submitting", "submitted"], next_attempt_at__isnull=False)
                | Q(
                    status__in=["awaiting_approval", "paid", "failed", "cancelled"],
                    next_attempt_at__isnull=True,
                )
                | Q(status="held"),
                name="payout_in_work_is_due",
            ),
            Transitions(
                name="payout_states",
                field="status",
                born=["awaiting_approval"],
                edges={
                    "awaiting_approval": ["ready", "cancelled"],
                    "ready": ["submitting", "cancelled"],
                    "submitting": ["submitted", "paid", "failed", "held"],
                    "submitted": ["paid", "failed", "held"],
                    "held": ["submitted", "paid", "failed"],
                },
            ),
            Frozen(
                name="payout_frozen", fields=["site", "batch", "asset", "to_address", "amount_base_units"]
            ),
            PayoutsWithinBatch(name="payout_within_batch"),
            HeldLeavesByDecision(name="payout_held_by_decision"),
            HeldLeavesNoDecisionOpen(name="payout_held_decided"),
            AuditTrail(name="payout_audit", fields=["status", "hold_code", "tx_hash"]),
            DueQueue(
                name="due_sites_payouts",
                due="next_attempt_at",
                when="w.next_attempt_at IS NOT NULL",
                reads=[],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.to_address} {self.get_status_display()}"


class AttemptStatus(models.TextChoices):
    OPEN = "open", _("Open")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed, nothing moved")


class PayoutAttempt(SiteOwned):
    """One submission to the custody provider under one external id, committed before anything is sent.

    ``sends`` counts how often it was sent under that same id; the provider accepts it once. The provider is the
    asset's at that time: another one asked later would say that it was never sent.
    """

    payout = SiteForeignKey(Payout)
    number = models.PositiveSmallIntegerField(_("number"))
    external_id = models.CharField(_("external id"), max_length=120)
    custody_provider = models.CharField(
        _("custody provider"),
        max_length=16,
        choices=CustodyProvider.choices,
        default=CustodyProvider.FIREBLOCKS,
        db_default="fireblocks",  # a worker of the release before does not know the column
    )
    status = models.CharField(
        _("status"), max_length=9, choices=AttemptStatus.choices, default=AttemptStatus.OPEN
    )
    sends = models.PositiveIntegerField(_("times sent"), default=0)
    last_sent_at = models.DateTimeField(_("last sent at"), null=True, blank=True)
    provider_transfer_id = models.CharField(_("provider's id"), max_length=120, blank=True)
    raw_status = models.CharField(_("provider's status"), max_length=64, blank=True)
    sub_status = models.CharField(_("provider's sub-status"), max_length=120, blank=True)
    tx_hash = models.CharField(_("transaction hash"), max_length=80, blank=True)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("payout attempt")
        verbose_name_plural = _("payout attempts")
        indexes = [
            models.Index(fields=["site", "tx_hash"], condition=~Q(tx_hash=""), name="payoutattempt_hash"),
        ]
        constraints = [
            *site_rules("payoutattempt", references=["payout"]),
            models.UniqueConstraint(fields=["site", "payout", "number"], name="payoutattempt_number_once"),
            models.UniqueConstraint(fields=["site", "external_id"], name="payoutattempt_external_id_once"),
            models.UniqueConstraint(
                fields=["site", "payout"],
                condition=Q(status__in=["open", "succeeded"]),
                name="payoutattempt_one_live",
            ),
            Transitions(
                name="payoutattempt_states",
                field="status",
                born=["open"],
                edges={"open": ["succeeded", "failed"]},
            ),
            Frozen(
                name="payoutattempt_frozen",
                fields=["site", "payout", "number", "external_id", "custody_provider"],
            ),
            FailsOnlyUnsigned(name="payoutattempt_fails_unsigned"),
            AuditTrail(
                name="payoutattempt_audit",
                fields=[
                    "external_id",
                    "status",
                    "provider_transfer_id",
                    "raw_status",
                    "tx_hash",
                    "error_code",
                ],
            ),
        ]

    def __str__(self) -> str:
        return self.external_id
