"""Orders, to be looked at; approvers refund them, and what Stripe says about one can be asked for at once."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from apps.orders.admin_actions import LookAtStripe, RefundOrder
from apps.orders.models import Dispute, Order, Refund
from apps.sites.scoped_admin.base import ScopedAdmin
from apps.sites.scoped_admin.columns import badge, short_id, whole_tokens


@admin.register(Order)
class OrderAdmin(ScopedAdmin):
    cells = (
        whole_tokens("tokens_base_units", asset="tier.asset", label=_("tokens")),
        badge(good=("paid",), busy=("pending", "refund_due"), bad=("failed", "disputed", "refunded")),
    )
    list_display = (
        short_id,
        "created_at",
        "buyer",
        "tier",
        "quantity_units",
        "amount_minor",
        "currency",
        *cells,
        "problem_code",
        "payment_intent_id",
    )
    list_filter = ("status",)
    list_select_related = ("buyer__identity", "tier__asset")
    search_fields = ("id", "buyer__id", "allocation__id", "payment_intent_id")
    search_help_text = _("A whole PaymentIntent id, or the id of an order, buyer or allocation")
    entry_actions = (LookAtStripe(), RefundOrder())


@admin.register(Refund)
class RefundAdmin(ScopedAdmin):
    cells = (
        badge(
            good=("succeeded",), busy=("requested", "pending", "requires_action"), bad=("failed", "canceled")
        ),
    )
    list_display = (
        short_id,
        "created_at",
        "order",
        "amount_minor",
        *cells,
        "origin",
        "reason",
        "requested_by",
        "stripe_refund_id",
        "failure_code",
    )
    list_select_related = ("order", "requested_by__identity")
    search_fields = ("id", "order__id", "stripe_refund_id")


@admin.register(Dispute)
class DisputeAdmin(ScopedAdmin):
    cells = (badge(good=("won", "closed"), busy=("open",), bad=("lost",)),)
    list_display = (short_id, "created_at", "order", "amount_minor", *cells, "reason", "stripe_dispute_id")
    list_select_related = ("order",)
    search_fields = ("id", "order__id", "stripe_dispute_id")
