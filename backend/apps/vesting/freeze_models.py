"""Why an allocation stands still: a dispute about its payment, or a pause by staff."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Membership
from apps.audit.trail import AuditTrail
from apps.core.rules import Frozen
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.policy import site_rules
from apps.vesting.freeze_rules import FreezeStops


class FreezeCause(models.TextChoices):
    DISPUTE = "dispute", _("Dispute about the payment")
    PAUSE = "pause", _("Paused by staff")


class Freeze(SiteOwned):
    """One reason for which an allocation stands still until it has ended; it goes on when none is left."""

    allocation = SiteForeignKey("vesting.Allocation")
    cause = models.CharField(_("because of"), max_length=7, choices=FreezeCause.choices)
    reason = models.CharField(_("reason"), max_length=1000, blank=True)
    begun_by = SiteForeignKey(Membership, null=True, blank=True)
    created_at = models.DateTimeField(_("began at"), db_default=Now(), editable=False)
    ended_by = SiteForeignKey(Membership, null=True, blank=True)
    end_reason = models.CharField(_("ended because"), max_length=1000, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        verbose_name = _("freeze")
        verbose_name_plural = _("freezes")
        indexes = [models.Index(fields=["site", "allocation", "id"], name="freeze_allocation")]
        constraints = [
            *site_rules("freeze", references=["allocation", "begun_by", "ended_by"], referenced=False),
            models.UniqueConstraint(
                fields=["site", "allocation", "cause"],
                condition=Q(ended_at__isnull=True),
                name="freeze_one_open",
            ),
            models.CheckConstraint(
                condition=Q(cause="dispute", begun_by__isnull=True, ended_by__isnull=True)
                | (Q(cause="pause", begun_by__isnull=False) & ~Q(reason="")),
                name="freeze_cause_known",
            ),
            models.CheckConstraint(
                condition=Q(cause="dispute")
                | Q(ended_at__isnull=True, ended_by__isnull=True)
                | Q(ended_at__isnull=False, ended_by__isnull=False),
                name="freeze_ended_by",
            ),
            Frozen(
                name="freeze_frozen",
                fields=["site", "allocation", "cause", "reason", "begun_by", "created_at"],
            ),
            Frozen(name="freeze_ended_once", fields=["ended_by", "ended_at"], once=True),
            FreezeStops(name="freeze_stops"),
            AuditTrail(
                name="freeze_audit",
                fields=[
                    "allocation",
                    "cause",
                    "reason",
                    "begun_by",
                    "ended_by",
                    "end_reason",
                    "ended_at",
                ],
            ),
        ]

    def __str__(self) -> str:
        return str(self.get_cause_display())
