"""What the three-way check found, and how far it has looked."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Membership
from apps.audit.trail import AuditTrail
from apps.core.rules import Frozen
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.lookup import DueQueue
from apps.sites.rules.policy import site_rules


class DifferenceKind(models.TextChoices):
    PAYMENT_WITHOUT_ORDER = "payment_without_order", _("Paid at Stripe, and no order of ours")
    PAYMENT_NOT_BOOKED = "payment_not_booked", _("Paid at Stripe, and the order does not know")
    PAYMENT_MISSING = "payment_missing", _("Order says paid, and Stripe has no payment")
    PAYMENT_AMOUNT = "payment_amount", _("Another amount was paid")
    PAYMENT_REFUNDED = "payment_refunded", _("Another sum was refunded")
    REFUND_WITHOUT_ROW = "refund_without_row", _("Refunded at Stripe, and no row of ours")
    REFUND_MISSING = "refund_missing", _("Stripe has no such refund")
    REFUND_AMOUNT = "refund_amount", _("Refund of another amount")
    REFUND_STATUS = "refund_status", _("Refund in another state")
    TRANSFER_WITHOUT_PAYOUT = "transfer_without_payout", _("Tokens left, and no payout of ours")
    TRANSFER_NOT_BOOKED = "transfer_not_booked", _("Tokens left, and the payout does not know")
    TRANSFER_MISSING = "transfer_missing", _("Payout says paid, and no tokens left")
    TRANSFER_AMOUNT = "transfer_amount", _("Another amount of tokens left")
    TRANSFER_ADDRESS = "transfer_address", _("Tokens went to another address")
    TRANSFER_HASH = "transfer_hash", _("Another transaction hash")


class Difference(SiteOwned):
    """Two sides that do not agree about one payment, refund or transfer; ``expected`` is what our rows say.

    Open until a later look finds it gone. ``next_check_at`` is when that look is due. Acknowledged: a person
    knows it and says why it may stand; it stays open.
    """

    kind = models.CharField(_("what differs"), max_length=32, choices=DifferenceKind.choices)
    subject = models.CharField(_("about"), max_length=8)
    object_id = models.CharField(_("object at the provider"), max_length=255)
    source = models.CharField(_("side that was asked"), max_length=64)
    row_id = models.UUIDField(_("row of ours"), null=True, blank=True)
    expected = models.CharField(_("our rows say"), max_length=200)
    found = models.CharField(_("the other side says"), max_length=200)
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))
    next_check_at = models.DateTimeField(_("next look"), null=True, blank=True)
    closed_at = models.DateTimeField(_("gone since"), null=True, blank=True)
    acknowledged_by = SiteForeignKey(Membership, null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True, blank=True)
    reason = models.CharField(_("acknowledged because"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("difference")
        verbose_name_plural = _("differences")
        indexes = [
            models.Index(
                fields=["site", "next_check_at"],
                condition=Q(next_check_at__isnull=False),
                name="difference_due",
            ),
            models.Index(fields=["site", "kind", "id"], name="difference_kind"),
        ]
        constraints = [
            *site_rules("difference", references=["acknowledged_by"], referenced=False),
            models.UniqueConstraint(
                fields=["site", "kind", "object_id"],
                condition=Q(closed_at__isnull=True),
                name="difference_open_once",
            ),
            models.CheckConstraint(condition=Q(kind__in=DifferenceKind.values), name="difference_kind_known"),
            # What no sweeper looks at again would never be closed.
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, next_check_at__isnull=False)
                | Q(closed_at__isnull=False, next_check_at__isnull=True),
                name="difference_open_is_due",
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_by__isnull=True, acknowledged_at__isnull=True, reason="")
                | (Q(acknowledged_by__isnull=False, acknowledged_at__isnull=False) & ~Q(reason="")),
                name="difference_acknowledged_whole",
            ),
            Frozen(
                name="difference_frozen",
                fields=["site", "kind", "subject", "object_id", "source", "first_seen_at"],
            ),
            Frozen(
                name="difference_set_once",
                fields=["closed_at", "acknowledged_by", "acknowledged_at"],
                once=True,
            ),
            AuditTrail(
                name="difference_audit",
                fields=["kind", "object_id", "expected", "found", "closed_at", "acknowledged_by", "reason"],
            ),
            DueQueue(
                name="due_sites_differences",
                due="next_check_at",
                when="w.next_check_at IS NOT NULL",
                reads=[],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"


class StrayPayment(models.Model):
    """Money at Stripe that names no site of ours. Belongs to no site, since nothing says which."""

    key = models.CharField(_("payment at Stripe"), max_length=255, primary_key=True)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    currency = models.CharField(_("currency"), max_length=3)
    first_seen_at = models.DateTimeField(_("first seen"), auto_now_add=True)

    class Meta:
        verbose_name = _("stray payment")
        verbose_name_plural = _("stray payments")

    def __str__(self) -> str:
        return self.key


class CheckCursor(models.Model):
    """How far one side was looked through: seconds or milliseconds since 1970, or a block, by ``source``.

    ``lease_until`` keeps two workers from asking the same thing; a step done twice changes nothing.
    """

    source = models.CharField(_("side"), max_length=64, primary_key=True)
    position = models.BigIntegerField(_("looked through up to"))
    next_at = models.DateTimeField(_("next step"))
    lease_until = models.DateTimeField(_("taken until"), null=True, blank=True)
    error_code = models.CharField(_("last error"), max_length=64, blank=True)
    moved_at = models.DateTimeField(_("moved at"), null=True, blank=True)

    class Meta:
        verbose_name = _("cursor of the three-way check")
        verbose_name_plural = _("cursors of the three-way check")

    def __str__(self) -> str:
        return self.source
