"""What people decide about a held payout: one asks, another decides, and the row keeps both with their reasons."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Membership
from apps.audit.trail import AuditTrail
from apps.core.rules import Frozen, Transitions
from apps.payouts.resolution_rules import EvidenceIsItsOwn, ResolutionIsTrue
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.policy import site_rules


class ResolutionAction(models.TextChoices):
    """``release`` is done by a worker, and only after the provider has shown that nothing can move any more."""

    ASK_AGAIN = "ask_again", _("Ask the provider again")
    SETTLE = "settle", _("Mark as settled, with evidence")
    RELEASE = "release", _("Release back, to be paid again")


class ResolutionState(models.TextChoices):
    """``refused``: approved, and the provider did not bear it out. ``overtaken``: the payout went on without it."""

    ASKED = "asked", _("Waits for a second person")
    APPROVED = "approved", _("Approved, being carried out")
    DONE = "done", _("Done")
    DECLINED = "declined", _("Declined")
    REFUSED = "refused", _("Not possible")
    OVERTAKEN = "overtaken", _("Overtaken")


OPEN_STATES = (ResolutionState.ASKED, ResolutionState.APPROVED)


class PayoutResolution(SiteOwned):
    """One of three actions on one held payout. ``hold_code`` is why it was held when somebody asked."""

    payout = SiteForeignKey("payouts.Payout")
    action = models.CharField(_("action"), max_length=9, choices=ResolutionAction.choices)
    state = models.CharField(
        _("state"), max_length=9, choices=ResolutionState.choices, default=ResolutionState.ASKED
    )
    hold_code = models.CharField(_("held because"), max_length=64)
    note = models.CharField(_("reason and evidence"), max_length=1000)
    tx_hash = models.CharField(_("transaction hash"), max_length=66, blank=True)
    asked_by = SiteForeignKey(Membership)
    decided_by = SiteForeignKey(Membership, null=True, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    decision_note = models.CharField(_("decision's reason"), max_length=500, blank=True)
    result = models.CharField(_("result"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("resolution of a held payout")
        verbose_name_plural = _("resolutions of held payouts")
        constraints = [
            *site_rules(
                "payoutresolution", references=["payout", "asked_by", "decided_by"], referenced=False
            ),
            models.CheckConstraint(
                condition=Q(action__in=ResolutionAction.values), name="payoutresolution_action_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=ResolutionState.values), name="payoutresolution_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["asked", "declined", "overtaken"])
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("asked_by"))),
                name="payoutresolution_second_person",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True, decided_at__isnull=True)
                | Q(decided_by__isnull=False, decided_at__isnull=False),
                name="payoutresolution_decided_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="declined") | Q(decided_by__isnull=False),
                name="payoutresolution_declined_by",
            ),
            models.CheckConstraint(condition=~Q(note=""), name="payoutresolution_has_reason"),
            models.CheckConstraint(
                condition=(Q(action="settle") & ~Q(tx_hash="")) | (~Q(action="settle") & Q(tx_hash="")),
                name="payoutresolution_settle_has_evidence",
            ),
            models.UniqueConstraint(
                fields=["site", "payout"],
                condition=Q(state__in=["asked", "approved"]),
                name="payoutresolution_one_open",
            ),
            # One transaction on chain is evidence for one payout: the other beneficiary would never be paid.
            models.UniqueConstraint(
                fields=["site", "tx_hash"],
                condition=Q(action="settle", state__in=["asked", "done"]),
                name="payoutresolution_evidence_once",
            ),
            Transitions(
                name="payoutresolution_states",
                field="state",
                born=["asked"],
                edges={
                    "asked": ["approved", "done", "declined", "overtaken"],
                    "approved": ["done", "refused", "overtaken"],
                },
            ),
            Frozen(
                name="payoutresolution_frozen",
                fields=["site", "payout", "action", "hold_code", "note", "tx_hash", "asked_by"],
            ),
            Frozen(name="payoutresolution_decided_once", fields=["decided_by", "decided_at"], once=True),
            ResolutionIsTrue(name="payoutresolution_true"),
            EvidenceIsItsOwn(name="payoutresolution_evidence_its_own"),
            AuditTrail(
                name="payoutresolution_audit",
                fields=[
                    "payout",
                    "action",
                    "state",
                    "hold_code",
                    "note",
                    "tx_hash",
                    "asked_by",
                    "decided_by",
                    "decision_note",
                    "result",
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.get_state_display()}"
