"""How a receivable ends: paid back by the buyer, with evidence, or written off; one asks for it, another decides."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Membership
from apps.audit.trail import AuditTrail
from apps.core.amounts import BaseUnitsField
from apps.core.rules import Frozen, Transitions
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.policy import site_rules
from apps.vesting.receivable_rules import ReturnIsNoPayout, SettledWithinReceivable


class SettlementKind(models.TextChoices):
    REPAID = "repaid", _("Paid back, with evidence")
    WRITTEN_OFF = "written_off", _("Written off")


class SettlementState(models.TextChoices):
    ASKED = "asked", _("Waits for a second person")
    DONE = "done", _("Done")
    DECLINED = "declined", _("Declined")


# What is asked for counts already: two that wait could otherwise both be approved, and settle more than is owed.
COUNTED_STATES = (SettlementState.ASKED, SettlementState.DONE)


class ReceivableSettlement(SiteOwned):
    """A part of one receivable, or all of it. ``reference`` is the evidence of ``repaid``, and of nothing else."""

    receivable = SiteForeignKey("vesting.Receivable")
    kind = models.CharField(_("how"), max_length=11, choices=SettlementKind.choices)
    state = models.CharField(
        _("state"), max_length=8, choices=SettlementState.choices, default=SettlementState.ASKED
    )
    amount_base_units = BaseUnitsField(_("amount (base units)"))
    reference = models.CharField(_("transaction hash or reference"), max_length=200, blank=True)
    note = models.CharField(_("reason and evidence"), max_length=1000)
    asked_by = SiteForeignKey(Membership)
    decided_by = SiteForeignKey(Membership, null=True, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    decision_note = models.CharField(_("decision's reason"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("settlement of a receivable")
        verbose_name_plural = _("settlements of receivables")
        indexes = [models.Index(fields=["site", "receivable"], name="receivablesettlement_of")]
        constraints = [
            *site_rules(
                "receivablesettlement", references=["receivable", "asked_by", "decided_by"], referenced=False
            ),
            models.CheckConstraint(
                condition=Q(kind__in=SettlementKind.values), name="receivablesettlement_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=SettlementState.values), name="receivablesettlement_state_known"
            ),
            models.CheckConstraint(
                condition=Q(amount_base_units__gt=0), name="receivablesettlement_amount_positive"
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | (Q(decided_by__isnull=False) & ~Q(decided_by=F("asked_by"))),
                name="receivablesettlement_second_person",
            ),
            models.CheckConstraint(
                condition=Q(state="asked", decided_by__isnull=True, decided_at__isnull=True)
                | (~Q(state="asked") & Q(decided_by__isnull=False, decided_at__isnull=False)),
                name="receivablesettlement_decided_by",
            ),
            models.CheckConstraint(condition=~Q(note=""), name="receivablesettlement_has_reason"),
            models.CheckConstraint(
                condition=(Q(kind="repaid") & ~Q(reference="")) | (~Q(kind="repaid") & Q(reference="")),
                name="receivablesettlement_has_evidence",
            ),
            # A hash among words or in capitals would be another text, and so pass the two rules that compare texts.
            models.CheckConstraint(
                condition=~Q(reference__iregex=r"0x[0-9a-f]{64}") | Q(reference__regex=r"^0x[0-9a-f]{64}$"),
                name="receivablesettlement_hash_alone",
            ),
            # One transfer pays back one debt: named twice, a debt would end that nobody paid.
            models.UniqueConstraint(
                fields=["site", "reference"],
                condition=Q(kind="repaid", state__in=["asked", "done"]),
                name="receivablesettlement_evidence_once",
            ),
            Transitions(
                name="receivablesettlement_states",
                field="state",
                born=["asked"],
                edges={"asked": ["done", "declined"]},
            ),
            Frozen(
                name="receivablesettlement_frozen",
                fields=["site", "receivable", "kind", "amount_base_units", "reference", "note", "asked_by"],
            ),
            Frozen(name="receivablesettlement_decided_once", fields=["decided_by", "decided_at"], once=True),
            SettledWithinReceivable(name="receivablesettlement_within"),
            ReturnIsNoPayout(name="receivablesettlement_no_payout"),
            AuditTrail(
                name="receivablesettlement_audit",
                fields=[
                    "receivable",
                    "kind",
                    "state",
                    "amount_base_units",
                    "reference",
                    "note",
                    "asked_by",
                    "decided_by",
                    "decision_note",
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.get_state_display()}"
