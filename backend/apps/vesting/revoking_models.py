"""What staff revoke of an allocation: what is not vested by a time, or for cause all that was not paid out."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Membership
from apps.audit.trail import AuditTrail
from apps.core.rules import Frozen, Transitions
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.lookup import DueQueue
from apps.sites.rules.policy import site_rules
from apps.vesting.revoking_rules import RevocationIsComplete


class RevocationScope(models.TextChoices):
    """Unvested: whose day comes after ``effective_at``."""

    UNVESTED = "unvested", _("What is not vested")
    ALL = "all", _("All that is not paid out, for cause")


class RevocationState(models.TextChoices):
    """``scheduled``: waits for its time, or for tokens on their way out, which may still come back."""

    ASKED = "asked", _("Waits for a second person")
    SCHEDULED = "scheduled", _("Scheduled")
    DONE = "done", _("Done")
    DECLINED = "declined", _("Declined")
    STOPPED = "stopped", _("Stopped")


OPEN_REVOCATIONS = (RevocationState.ASKED, RevocationState.SCHEDULED)


class Revocation(SiteOwned):
    """One revocation of one allocation. The releases that it took name it; PostgreSQL's clock sets its times.

    ``due_at`` is when a worker looks at it.
    """

    allocation = SiteForeignKey("vesting.Allocation")
    scope = models.CharField(_("what"), max_length=8, choices=RevocationScope.choices)
    state = models.CharField(_("state"), max_length=9, choices=RevocationState.choices)
    effective_at = models.DateTimeField(_("takes effect at"), db_default=Now())
    reason = models.CharField(_("reason"), max_length=1000)
    asked_by = SiteForeignKey(Membership)
    decided_by = SiteForeignKey(Membership, null=True, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    decision_note = models.CharField(_("decision's reason"), max_length=500, blank=True)
    stopped_by = SiteForeignKey(Membership, null=True, blank=True)
    stop_reason = models.CharField(_("stopped because"), max_length=500, blank=True)
    due_at = models.DateTimeField(_("due at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("revocation")
        verbose_name_plural = _("revocations")
        indexes = [
            models.Index(fields=["site", "due_at"], condition=Q(due_at__isnull=False), name="revocation_due"),
            models.Index(fields=["site", "allocation", "id"], name="revocation_allocation"),
        ]
        constraints = [
            *site_rules("revocation", references=["allocation", "asked_by", "decided_by", "stopped_by"]),
            models.UniqueConstraint(
                fields=["site", "allocation"],
                condition=Q(state__in=["asked", "scheduled"]),
                name="revocation_one_open",
            ),
            models.CheckConstraint(
                condition=Q(scope__in=RevocationScope.values), name="revocation_scope_known"
            ),
            # In arrears it would take what was vested.
            models.CheckConstraint(
                condition=Q(effective_at__gte=F("created_at")), name="revocation_never_in_arrears"
            ),
            models.CheckConstraint(
                condition=Q(scope="unvested")
                | Q(state__in=["asked", "declined", "stopped"])
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("asked_by"))),
                name="revocation_second_person",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True, decided_at__isnull=True)
                | Q(decided_by__isnull=False, decided_at__isnull=False),
                name="revocation_decided_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state="scheduled", due_at__isnull=False, finished_at__isnull=True)
                | Q(state="asked", due_at__isnull=True, finished_at__isnull=True)
                | Q(
                    state__in=["done", "declined", "stopped"], due_at__isnull=True, finished_at__isnull=False
                ),
                name="revocation_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="declined", decided_by__isnull=False)
                | Q(state="stopped", stopped_by__isnull=False)
                | Q(state__in=["asked", "scheduled", "done"], stopped_by__isnull=True),
                name="revocation_ended_by",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="revocation_has_reason"),
            Transitions(
                name="revocation_states",
                field="state",
                born=["asked", "scheduled"],
                edges={"asked": ["scheduled", "declined"], "scheduled": ["done", "stopped"]},
            ),
            Frozen(
                name="revocation_frozen",
                fields=["site", "allocation", "scope", "effective_at", "reason", "asked_by", "created_at"],
            ),
            Frozen(
                name="revocation_decided_once",
                fields=["decided_by", "decided_at", "stopped_by", "finished_at"],
                once=True,
            ),
            RevocationIsComplete(name="revocation_complete"),
            AuditTrail(
                name="revocation_audit",
                fields=[
                    "allocation",
                    "scope",
                    "state",
                    "effective_at",
                    "reason",
                    "asked_by",
                    "decided_by",
                    "decision_note",
                    "stopped_by",
                    "stop_reason",
                ],
            ),
            DueQueue(name="due_sites_revocations", due="due_at", when="w.due_at IS NOT NULL", reads=[]),
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()}: {self.get_state_display()}"
