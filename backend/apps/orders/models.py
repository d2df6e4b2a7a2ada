"""A buyer's purchase of a tier, from reservation to allocation."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Membership, Wallet
from apps.audit.trail import AuditTrail
from apps.core.amounts import BaseUnitsField
from apps.core.rules import Frozen, Transitions
from apps.orders.rules import AllocationIsTheOrders, OrderReturnsAreItsRows
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.lookup import DueQueue
from apps.sites.rules.policy import site_rules
from apps.tiers.models import Tier
from apps.vesting.models import Allocation, VestingPolicy


class OrderStatus(models.TextChoices):
    PENDING = "pending", _("Waits for payment")
    PAID = "paid", _("Paid")
    EXPIRED = "expired", _("Expired")
    CANCELLED = "cancelled", _("Cancelled")
    FAILED = "failed", _("Payment failed for good")
    REFUND_DUE = "refund_due", _("Refund due")
    REFUNDED = "refunded", _("Refunded")
    DISPUTED = "disputed", _("Disputed")


class Order(SiteOwned):
    """Price, tokens and vesting terms are fixed when the order is made; ``payment_intent_id`` once Stripe has answered.

    ``next_check_at`` is when a worker should look at Stripe's truth for it: an event arrived, the hold ran out, or a
    refund is due. ``problem_code`` says why a person has to look; such an order is not swept.
    """

    buyer = SiteForeignKey(Membership)
    tier = SiteForeignKey(Tier)
    wallet = SiteForeignKey(Wallet)
    # The tier's may be changed by staff while the buyer pays; a late payment must not get other terms.
    policy = SiteForeignKey(VestingPolicy)
    allocation = SiteForeignKey(Allocation, null=True, blank=True)
    quantity_units = models.PositiveBigIntegerField(_("quantity (units)"))
    price_minor = models.PositiveBigIntegerField(_("price a unit (minor units)"))
    amount_minor = models.PositiveBigIntegerField(_("amount (minor units)"))
    currency = models.CharField(_("currency"), max_length=3)
    tokens_base_units = BaseUnitsField(_("tokens (base units)"))
    status = models.CharField(
        _("status"), max_length=10, choices=OrderStatus.choices, default=OrderStatus.PENDING
    )
    payment_intent_id = models.CharField(_("PaymentIntent"), max_length=255, blank=True)
    refunded_minor = models.PositiveBigIntegerField(_("refunded (minor units)"), default=0)
    lost_minor = models.PositiveBigIntegerField(_("lost in disputes (minor units)"), default=0, db_default=0)
    # Written with the tier's counters: a refunded order's units are sold until all of its tokens were revoked.
    units_taken_back = models.BooleanField(_("units back on sale"), default=False, db_default=False)
    problem_code = models.CharField(_("needs a person because"), max_length=64, blank=True)
    expires_at = models.DateTimeField(_("hold ends at"))
    next_check_at = models.DateTimeField(_("next check at"), null=True, blank=True)
    check_attempts = models.PositiveIntegerField(_("checks"), default=0)
    # Written before Stripe is asked to cancel: whoever looks next finishes what a crash interrupted.
    cancel_requested_at = models.DateTimeField(_("cancelling since"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        indexes = [
            models.Index(fields=["site", "buyer", "created_at", "id"], name="order_buyer"),
            models.Index(fields=["site", "status", "created_at", "id"], name="order_status"),
            models.Index(fields=["site", "created_at", "id"], name="order_time"),
            models.Index(
                fields=["site", "paid_at"], condition=Q(paid_at__isnull=False), name="order_paid_time"
            ),
            models.Index(
                fields=["site", "next_check_at"],
                condition=Q(next_check_at__isnull=False),
                name="order_due_check",
            ),
        ]
        constraints = [
            *site_rules("order", references=["buyer", "tier", "wallet", "policy", "allocation"]),
            models.UniqueConstraint(
                fields=["site", "payment_intent_id"],
                condition=~Q(payment_intent_id=""),
                name="order_payment_intent_once",
            ),
            models.UniqueConstraint(
                fields=["site", "allocation"],
                condition=Q(allocation__isnull=False),
                name="order_allocation_once",
            ),
            models.CheckConstraint(condition=Q(status__in=OrderStatus.values), name="order_status_known"),
            models.CheckConstraint(
                condition=Q(quantity_units__gt=0) & Q(amount_minor=F("price_minor") * F("quantity_units")),
                name="order_amount_is_price_times_quantity",
            ),
            models.CheckConstraint(condition=Q(tokens_base_units__gt=0), name="order_tokens_positive"),
            models.CheckConstraint(
                condition=~Q(status__in=["paid", "disputed"])
                | (Q(allocation__isnull=False) & Q(paid_at__isnull=False)),
                name="order_paid_has_allocation",
            ),
            models.CheckConstraint(
                condition=Q(refunded_minor__lte=F("amount_minor")), name="order_refund_within_amount"
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gte=F("refunded_minor") + F("lost_minor")),
                name="order_returned_within_amount",
            ),
            models.CheckConstraint(
                condition=Q(units_taken_back=False) | Q(status="refunded", allocation__isnull=False),
                name="order_units_back_when_refunded",
            ),
            # An order that waits and that no worker would look at is a lost one.
            models.CheckConstraint(
                condition=~Q(status__in=["pending", "refund_due", "disputed"])
                | Q(next_check_at__isnull=False)
                | ~Q(problem_code=""),
                name="order_open_is_due",
            ),
            AllocationIsTheOrders(name="order_allocation_is_its_own"),
            OrderReturnsAreItsRows(
                name="order_returns_are_its_rows", order_column="id", watched=["refunded_minor", "lost_minor"]
            ),
            Transitions(
                name="order_states",
                field="status",
                born=["pending"],
                edges={
                    "pending": ["paid", "expired", "cancelled", "failed"],
                    "expired": ["paid", "refund_due"],
                    "cancelled": ["paid", "refund_due"],
                    "failed": ["paid", "refund_due"],
                    "refund_due": ["refunded"],
                    "paid": ["refunded", "disputed"],
                    "disputed": ["paid", "refunded"],
                },
            ),
            Frozen(
                name="order_frozen",
                fields=[
                    "site",
                    "buyer",
                    "tier",
                    "wallet",
                    "policy",
                    "quantity_units",
                    "price_minor",
                    "amount_minor",
                    "currency",
                    "tokens_base_units",
                ],
            ),
            Frozen(name="order_set_once", fields=["allocation", "paid_at"], once=True),
            AuditTrail(
                name="order_audit",
                fields=[
                    "status",
                    "payment_intent_id",
                    "allocation",
                    "refunded_minor",
                    "lost_minor",
                    "problem_code",
                ],
            ),
            DueQueue(
                name="due_sites_orders", due="next_check_at", when="w.next_check_at IS NOT NULL", reads=[]
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class RefundStatus(models.TextChoices):
    REQUESTED = "requested", _("Not yet at Stripe")
    PENDING = "pending", _("On its way")
    REQUIRES_ACTION = "requires_action", _("Waits for the buyer")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELED = "canceled", _("Cancelled")


class RefundOrigin(models.TextChoices):
    STAFF = "staff", _("Requested here")
    AUTOMATIC = "automatic", _("Payment came too late")
    STRIPE = "stripe", _("Made at Stripe")


# Stripe may take back a success: the bank returns the money (https://docs.stripe.com/refunds#failed-refunds).
REFUND_STEPS: dict[str, list[str]] = {
    "requested": ["pending", "requires_action", "succeeded", "failed", "canceled"],
    "pending": ["requires_action", "succeeded", "failed", "canceled"],
    "requires_action": ["pending", "succeeded", "failed", "canceled"],
    "succeeded": ["failed"],
}


class Refund(SiteOwned):
    """Money given back, in full or in part: asked for here, or made at Stripe and found there.

    A row in ``requested`` is the intent, committed before Stripe is asked; its id makes the Idempotency-Key.
    """

    order = SiteForeignKey(Order)
    amount_minor = models.PositiveBigIntegerField(_("amount (minor units)"))
    origin = models.CharField(_("origin"), max_length=9, choices=RefundOrigin.choices)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    requested_by = SiteForeignKey(Membership, null=True, blank=True)
    status = models.CharField(
        _("status"), max_length=15, choices=RefundStatus.choices, default=RefundStatus.REQUESTED
    )
    stripe_refund_id = models.CharField(_("Stripe's refund"), max_length=255, blank=True)
    failure_code = models.CharField(_("failed because"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True)

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        indexes = [
            models.Index(fields=["site", "order", "id"], name="refund_order"),
            models.Index(
                fields=["site", "settled_at"],
                condition=Q(settled_at__isnull=False),
                name="refund_settled_time",
            ),
        ]
        constraints = [
            *site_rules("refund", references=["order", "requested_by"], referenced=False),
            models.UniqueConstraint(
                fields=["site", "stripe_refund_id"],
                condition=~Q(stripe_refund_id=""),
                name="refund_stripe_id_once",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_amount_positive"),
            models.CheckConstraint(condition=Q(status__in=RefundStatus.values), name="refund_status_known"),
            models.CheckConstraint(condition=Q(origin__in=RefundOrigin.values), name="refund_origin_known"),
            models.CheckConstraint(
                condition=~Q(origin="staff") | (Q(requested_by__isnull=False) & ~Q(reason="")),
                name="refund_of_staff_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["requested", "failed"]) | ~Q(stripe_refund_id=""),
                name="refund_at_stripe_has_id",
            ),
            models.CheckConstraint(
                condition=~Q(status="succeeded") | Q(settled_at__isnull=False), name="refund_settled_has_time"
            ),
            Transitions(
                name="refund_states", field="status", born=list(RefundStatus.values), edges=REFUND_STEPS
            ),
            OrderReturnsAreItsRows(
                name="refund_is_in_its_order", order_column="order_id", watched=["status"]
            ),
            Frozen(
                name="refund_frozen",
                fields=["site", "order", "amount_minor", "origin", "reason", "requested_by"],
            ),
            AuditTrail(
                name="refund_audit",
                fields=[
                    "order",
                    "amount_minor",
                    "reason",
                    "requested_by",
                    "status",
                    "stripe_refund_id",
                    "failure_code",
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} {self.get_status_display()}"


class DisputeStatus(models.TextChoices):
    OPEN = "open", _("Open")
    WON = "won", _("Won")
    LOST = "lost", _("Lost")
    CLOSED = "closed", _("Closed without money")


DISPUTE_STEPS: dict[str, list[str]] = {"open": ["won", "lost", "closed"]}


class Dispute(SiteOwned):
    """A buyer's bank takes the payment back, or may: found at Stripe, which alone says how it ends."""

    order = SiteForeignKey(Order)
    stripe_dispute_id = models.CharField(_("Stripe's dispute"), max_length=255)
    amount_minor = models.PositiveBigIntegerField(_("amount (minor units)"))
    reason = models.CharField(_("reason"), max_length=64, blank=True)
    status = models.CharField(_("status"), max_length=6, choices=DisputeStatus.choices)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True)

    class Meta:
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        indexes = [models.Index(fields=["site", "order", "id"], name="dispute_order")]
        constraints = [
            *site_rules("dispute", references=["order"], referenced=False),
            models.UniqueConstraint(fields=["site", "stripe_dispute_id"], name="dispute_stripe_id_once"),
            models.CheckConstraint(condition=~Q(stripe_dispute_id=""), name="dispute_has_id"),
            models.CheckConstraint(condition=Q(status__in=DisputeStatus.values), name="dispute_status_known"),
            models.CheckConstraint(
                condition=Q(status="open") | Q(settled_at__isnull=False), name="dispute_settled_has_time"
            ),
            Transitions(
                name="dispute_states", field="status", born=list(DisputeStatus.values), edges=DISPUTE_STEPS
            ),
            OrderReturnsAreItsRows(
                name="dispute_is_in_its_order", order_column="order_id", watched=["status"]
            ),
            Frozen(name="dispute_frozen", fields=["site", "order", "stripe_dispute_id", "amount_minor"]),
            AuditTrail(name="dispute_audit", fields=["order", "stripe_dispute_id", "amount_minor", "status"]),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} {self.get_status_display()}"
