"""Events that tokens wait for: one person records one with its evidence, another agrees."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Membership
from apps.audit.trail import AuditTrail
from apps.core.rules import Frozen, Transitions
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.policy import site_rules
from apps.vesting.milestone_rules import RecordIsComplete


class MilestoneState(models.TextChoices):
    ASKED = "asked", _("Waits for a second person")
    RECORDED = "recorded", _("Recorded")
    DECLINED = "declined", _("Declined")


class Milestone(SiteOwned):
    """The record of one event for one allocation. What waited for it vests at ``decided_at``.

    ``happened_at`` is when the event was, by whoever asks; it dates nothing.
    """

    allocation = SiteForeignKey("vesting.Allocation")
    code = models.CharField(
        _("milestone"), max_length=32, validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]{0,31}\Z")]
    )
    state = models.CharField(
        _("state"), max_length=8, choices=MilestoneState.choices, default=MilestoneState.ASKED
    )
    happened_at = models.DateTimeField(_("happened at"))
    evidence = models.CharField(_("evidence"), max_length=1000)
    asked_by = SiteForeignKey(Membership)
    decided_by = SiteForeignKey(Membership, null=True, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    decision_note = models.CharField(_("decision's reason"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("milestone")
        verbose_name_plural = _("milestones")
        constraints = [
            *site_rules("milestone", references=["allocation", "asked_by", "decided_by"], referenced=False),
            models.UniqueConstraint(
                fields=["site", "allocation", "code"],
                condition=Q(state__in=["asked", "recorded"]),
                name="milestone_once",
            ),
            models.CheckConstraint(condition=~Q(evidence=""), name="milestone_has_evidence"),
            models.CheckConstraint(
                condition=Q(happened_at__lte=F("created_at")), name="milestone_has_happened"
            ),
            models.CheckConstraint(
                condition=~Q(state="recorded") | (Q(decided_by__isnull=False) & ~Q(decided_by=F("asked_by"))),
                name="milestone_second_person",
            ),
            models.CheckConstraint(
                condition=Q(state="asked", decided_by__isnull=True, decided_at__isnull=True)
                | Q(state__in=["recorded", "declined"], decided_by__isnull=False, decided_at__isnull=False),
                name="milestone_decided_by",
            ),
            Transitions(
                name="milestone_states",
                field="state",
                born=["asked"],
                edges={"asked": ["recorded", "declined"]},
            ),
            Frozen(
                name="milestone_frozen",
                fields=["site", "allocation", "code", "happened_at", "evidence", "asked_by", "created_at"],
            ),
            Frozen(name="milestone_decided_once", fields=["decided_by", "decided_at"], once=True),
            RecordIsComplete(name="milestone_complete"),
            AuditTrail(
                name="milestone_audit",
                fields=[
                    "allocation",
                    "code",
                    "state",
                    "happened_at",
                    "evidence",
                    "asked_by",
                    "decided_by",
                    "decided_at",
                    "decision_note",
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.get_state_display()}"
