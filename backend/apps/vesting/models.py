"""Tokens owed: the policy (template), the allocation (claim), its frozen schedule, and its dated releases."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Membership
from apps.audit.trail import AuditTrail
from apps.core.amounts import BaseUnitsField
from apps.core.rules import AppendOnly, Frozen, Transitions
from apps.payouts.models import Payout
from apps.sites.models import Asset
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.lookup import DueQueue
from apps.sites.rules.policy import site_rules
from apps.vesting.freeze_models import Freeze  # noqa: F401 - Django loads this module only
from apps.vesting.freeze_rules import FrozenWhileStopped
from apps.vesting.milestone_models import Milestone  # noqa: F401 - Django finds models here
from apps.vesting.milestone_rules import ReachedByItsRecord, SplitsAreWholeOrReached
from apps.vesting.payout_rules import PayoutLeadsReleases, ReleaseFollowsPayout, ReleasesMakePayout
from apps.vesting.receivable_models import ReceivableSettlement  # noqa: F401 - Django finds models here
from apps.vesting.revoking_models import Revocation
from apps.vesting.revoking_rules import RevokedByItsRevocation
from apps.vesting.rules import (
    LiveReleasesWithinSchedule,
    ReceivablesWithinReleased,
    ReleasesMatchSchedule,
)
from apps.vesting.schedule import NEVER


class PeriodUnit(models.TextChoices):
    DAY = "day", _("Day")
    WEEK = "week", _("Week")
    MONTH = "month", _("Month")
    QUARTER = "quarter", _("Quarter")
    YEAR = "year", _("Year")


class Terms(models.Model):
    """What vests when, in a policy and, copied, in each schedule: either ``terms`` or the columns beside it."""

    # Version 2 (docs/vesting-terms.md). Null: version 1, which is the other columns.
    terms = models.JSONField(_("terms (version 2)"), null=True, blank=True)
    tge_basis_points = models.PositiveSmallIntegerField(
        _("at start (basis points)"), null=True, blank=True, help_text=_("10000 is everything")
    )
    cliff_count = models.PositiveSmallIntegerField(_("cliff"), null=True, blank=True)
    cliff_unit = models.CharField(  # noqa: DJ001 - null: not in force, as the others
        _("cliff unit"), max_length=7, choices=PeriodUnit.choices, null=True, blank=True
    )
    parts = models.PositiveSmallIntegerField(
        _("equal parts"), null=True, blank=True, help_text=_("after the cliff")
    )
    period_count = models.PositiveSmallIntegerField(_("periods between parts"), null=True, blank=True)
    period_unit = models.CharField(  # noqa: DJ001 - null: not in force, as the others
        _("period"), max_length=7, choices=PeriodUnit.choices, null=True, blank=True
    )

    class Meta:
        abstract = True


COLUMNS_OF_VERSION_1 = [
    "tge_basis_points",
    "cliff_count",
    "cliff_unit",
    "parts",
    "period_count",
    "period_unit",
]
TERMS_FIELDS = [*COLUMNS_OF_VERSION_1, "terms"]


def _terms_check(prefix: str) -> models.CheckConstraint:
    version_1 = (
        Q(**{f"{name}__isnull": False for name in COLUMNS_OF_VERSION_1})
        & Q(tge_basis_points__lte=10000)
        & Q(period_count__gte=1)
        & Q(parts__lte=10000)
        & (Q(tge_basis_points=10000, parts=0) | Q(tge_basis_points__lt=10000, parts__gte=1))
        & Q(cliff_unit__in=PeriodUnit.values)
        & Q(period_unit__in=PeriodUnit.values)
    )
    # "contains" and not a comparison of the key: a CHECK lets pass what is unknown, such as a missing version.
    version_2 = Q(terms__contains={"version": 2}, terms__has_keys=["time_zone", "vesting"]) & Q(
        **{f"{name}__isnull": True for name in COLUMNS_OF_VERSION_1}
    )
    return models.CheckConstraint(
        condition=(Q(terms__isnull=True) & version_1) | (Q(terms__isnull=False) & version_2),
        name=f"{prefix}_terms_make_a_whole",
    )


EARLIEST_START = datetime(2000, 1, 1, tzinfo=UTC)
LATEST_START = datetime(2200, 1, 1, tzinfo=UTC)


class VestingPolicy(SiteOwned, Terms):
    """A template of terms. Its terms never change: other terms are another version."""

    name = models.CharField(_("name"), max_length=120)
    version = models.PositiveIntegerField(_("version"), default=1)
    starts_at = models.DateTimeField(
        _("starts at"), null=True, blank=True, help_text=_("Empty: when the order is paid")
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("vesting policy")
        verbose_name_plural = _("vesting policies")
        constraints = [
            *site_rules("vestingpolicy"),
            models.UniqueConstraint(fields=["site", "name", "version"], name="vestingpolicy_version_once"),
            _terms_check("vestingpolicy"),
            # A start that no calendar reaches would be found out when a buyer has paid.
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(starts_at__range=(EARLIEST_START, LATEST_START)),
                name="vestingpolicy_start_is_sane",
            ),
            Frozen(
                name="vestingpolicy_frozen", fields=["site", "name", "version", "starts_at", *TERMS_FIELDS]
            ),
            AuditTrail(
                name="vestingpolicy_audit",
                fields=["name", "version", "starts_at", "is_active", *TERMS_FIELDS],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class Allocation(SiteOwned):
    """Tokens of one asset owed to one member. ``source`` says why, once: the same order never makes two."""

    asset = SiteForeignKey(Asset)
    beneficiary = SiteForeignKey(Membership)
    amount_base_units = BaseUnitsField(_("amount (base units)"))
    source_kind = models.CharField(_("source"), max_length=16)
    source_id = models.UUIDField(_("source row"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        indexes = [models.Index(fields=["site", "beneficiary", "id"], name="allocation_beneficiary")]
        constraints = [
            *site_rules("allocation", references=["asset", "beneficiary"]),
            models.UniqueConstraint(
                fields=["site", "source_kind", "source_id"], name="allocation_source_once"
            ),
            models.CheckConstraint(condition=Q(amount_base_units__gt=0), name="allocation_amount_positive"),
            Frozen(
                name="allocation_frozen",
                fields=["site", "asset", "beneficiary", "amount_base_units", "source_kind", "source_id"],
            ),
            AuditTrail(name="allocation_audit", fields=["beneficiary", "amount_base_units", "source_id"]),
        ]

    def __str__(self) -> str:
        return f"{self.source_kind} {self.source_id}"


class VestingSchedule(SiteOwned, Terms):
    """An allocation's terms as they were when it was made; they never change."""

    allocation = SiteForeignKey(Allocation)
    policy = SiteForeignKey(VestingPolicy)
    start_at = models.DateTimeField(_("start"))
    total_base_units = BaseUnitsField(_("total (base units)"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("vesting schedule")
        verbose_name_plural = _("vesting schedules")
        constraints = [
            *site_rules("vestingschedule", references=["allocation", "policy"]),
            models.UniqueConstraint(fields=["site", "allocation"], name="vestingschedule_one_an_allocation"),
            models.CheckConstraint(
                condition=Q(total_base_units__gt=0), name="vestingschedule_total_positive"
            ),
            _terms_check("vestingschedule"),
            Frozen(
                name="vestingschedule_frozen",
                fields=["site", "allocation", "policy", "start_at", "total_base_units", *TERMS_FIELDS],
            ),
            ReleasesMatchSchedule(name="vestingschedule_releases_sum"),
        ]

    def __str__(self) -> str:
        return f"{self.total_base_units} from {self.start_at:%Y-%m-%d}"


class ReleaseStatus(models.TextChoices):
    LOCKED = "locked", _("Locked")
    UNLOCKED = "unlocked", _("Unlocked")
    PROCESSING = "processing", _("Being paid out")
    HELD = "held", _("Held for a person")
    RELEASED = "released", _("Released")
    FROZEN = "frozen", _("Frozen")
    REVOKED = "revoked", _("Revoked")
    REPLACED = "replaced", _("Replaced by its parts")


# A replaced release is history: its two parts carry its amount. Whoever adds up amounts leaves it out.
COUNTED = [status.value for status in ReleaseStatus if status is not ReleaseStatus.REPLACED]
# Still ours to take back: nobody has been asked to send them.
REVOCABLE = (ReleaseStatus.LOCKED, ReleaseStatus.UNLOCKED, ReleaseStatus.FROZEN)


FROZEN_FROM = [("locked", _("Locked")), ("unlocked", _("Unlocked"))]


class Release(SiteOwned):
    """One dated part of a schedule. Its amount and date never change; its state moves by the listed steps.

    A part of it is revoked by replacing it: two others with ``split_of`` take its date, one is revoked, the other
    goes on in its state. ``frozen_from`` is the state that a dispute interrupted.
    """

    schedule = SiteForeignKey(VestingSchedule)
    allocation = SiteForeignKey(Allocation)
    number = models.PositiveIntegerField(_("number"))
    unlock_at = models.DateTimeField(_("unlocks at"))
    amount_base_units = BaseUnitsField(_("amount (base units)"))
    status = models.CharField(
        _("status"), max_length=10, choices=ReleaseStatus.choices, default=ReleaseStatus.LOCKED
    )
    payout = SiteForeignKey(Payout, null=True, blank=True)
    split_of = SiteForeignKey("self", null=True, blank=True)
    # Of staff's wish; empty for what a refund or a lost dispute revoked.
    revocation = SiteForeignKey(Revocation, null=True, blank=True)
    frozen_from = models.CharField(
        _("frozen while"), max_length=8, blank=True, default="", db_default="", choices=FROZEN_FROM
    )
    # The event that it waits for, or waited for; it is dated NEVER until two people have recorded that event.
    milestone = models.CharField(_("milestone"), max_length=32, blank=True, default="", db_default="")
    unlocked_at = models.DateTimeField(_("unlocked at"), null=True, blank=True)
    released_at = models.DateTimeField(_("released at"), null=True, blank=True)
    tx_hash = models.CharField(_("transaction hash"), max_length=80, blank=True)

    class Meta:
        verbose_name = _("release")
        verbose_name_plural = _("releases")
        indexes = [
            models.Index(
                fields=["site", "unlock_at"], condition=Q(status="locked"), name="release_due_unlock"
            ),
            models.Index(
                fields=["site", "unlock_at", "id"], condition=Q(status="unlocked"), name="release_payable"
            ),
            models.Index(fields=["site", "allocation", "unlock_at", "id"], name="release_allocation"),
            models.Index(fields=["site", "payout"], condition=Q(payout__isnull=False), name="release_payout"),
            models.Index(
                fields=["site", "split_of"], condition=Q(split_of__isnull=False), name="release_split_of"
            ),
            models.Index(
                fields=["site", "revocation"],
                condition=Q(revocation__isnull=False),
                name="release_revocation",
            ),
        ]
        constraints = [
            *site_rules("release", references=["schedule", "allocation", "payout", "split_of", "revocation"]),
            models.UniqueConstraint(fields=["site", "schedule", "number"], name="release_number_once"),
            models.CheckConstraint(condition=Q(amount_base_units__gt=0), name="release_amount_positive"),
            models.CheckConstraint(condition=Q(status__in=ReleaseStatus.values), name="release_status_known"),
            models.CheckConstraint(
                condition=Q(status__in=["processing", "held", "released"], payout__isnull=False)
                | Q(status__in=["locked", "unlocked", "frozen", "revoked", "replaced"], payout__isnull=True),
                name="release_payout_while_in_flight",
            ),
            models.CheckConstraint(
                condition=Q(status="frozen", frozen_from__in=["locked", "unlocked"])
                | (~Q(status="frozen") & Q(frozen_from="")),
                name="release_frozen_from_a_state",
            ),
            models.CheckConstraint(
                condition=~Q(status="released") | (~Q(tx_hash="") & Q(released_at__isnull=False)),
                name="release_released_has_hash",
            ),
            Transitions(
                name="release_states",
                field="status",
                born=["locked"],
                edges={
                    "locked": ["unlocked", "frozen", "revoked", "replaced"],
                    "unlocked": ["processing", "frozen", "revoked", "replaced"],
                    "processing": ["released", "unlocked", "held"],
                    "held": ["processing", "released", "unlocked"],
                    "frozen": ["locked", "unlocked", "revoked", "replaced"],
                },
            ),
            Frozen(
                name="release_frozen",
                fields=["site", "schedule", "allocation", "number", "unlock_at", "amount_base_units"],
            ),
            Frozen(name="release_split_of_frozen", fields=["split_of"]),
            Frozen(name="release_milestone_frozen", fields=["milestone"]),
            models.CheckConstraint(
                condition=Q(unlock_at__lt=NEVER) | (Q(unlock_at=NEVER) & ~Q(milestone="")),
                name="release_undated_waits_for_a_milestone",
            ),
            Frozen(name="release_revocation_once", fields=["revocation"], once=True),
            RevokedByItsRevocation(name="release_revoked_by_its_revocation"),
            LiveReleasesWithinSchedule(name="release_live_sum_within_schedule"),
            SplitsAreWholeOrReached(name="release_split_whole"),
            ReachedByItsRecord(name="release_reached_by_its_record"),
            ReleaseFollowsPayout(name="release_follows_payout"),
            FrozenWhileStopped(name="release_frozen_while_stopped"),
            PayoutLeadsReleases(name="payout_leads_releases"),
            ReleasesMakePayout(name="release_makes_payout"),
            AuditTrail(name="release_audit", fields=["status", "payout", "tx_hash"]),
            DueQueue(name="due_sites_unlock", due="unlock_at", when="w.status = 'locked'", reads=["status"]),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.amount_base_units} {self.get_status_display()}"


class Receivable(SiteOwned):
    """Tokens that a beneficiary has although their money went back: what was paid out cannot be revoked.

    ``cause_id`` is the refund or dispute after which they were owed. What was paid back or written off of it is in
    its ReceivableSettlements; the row itself never changes.
    """

    allocation = SiteForeignKey(Allocation)
    amount_base_units = BaseUnitsField(_("amount (base units)"))
    cause_kind = models.CharField(_("because of"), max_length=16)
    cause_id = models.UUIDField(_("refund or dispute"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("receivable")
        verbose_name_plural = _("receivables")
        indexes = [models.Index(fields=["site", "allocation"], name="receivable_allocation")]
        constraints = [
            *site_rules("receivable", references=["allocation"], grants=["SELECT", "INSERT"]),
            models.CheckConstraint(condition=Q(amount_base_units__gt=0), name="receivable_amount_positive"),
            AppendOnly(name="receivable_append_only"),
            ReceivablesWithinReleased(name="receivable_within_released"),
            AuditTrail(name="receivable_audit", fields=["allocation", "amount_base_units", "cause_id"]),
        ]

    def __str__(self) -> str:
        return f"{self.amount_base_units} because of {self.cause_kind} {self.cause_id}"
