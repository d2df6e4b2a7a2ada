"""Orders, to be looked at; what Stripe says about one can be asked for at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.orders.models import Dispute, Order, Refund
from apps.orders.services import order_check_now
from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.base import ScopedAdmin
from apps.sites.scoped_admin.columns import badge, short_id, whole_tokens
from apps.sites.scoped_admin.place import StaffPlace


class LookAtStripe(EntryAction):
    """A worker asks Stripe; this only makes the order due and rings."""

    name = "look-at-stripe"
    title = _("Look at Stripe now")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        found = sum(order_check_now(order_id=order_id) for order_id in ids)
        return gettext("%(count)d orders are being looked at.") % {"count": found}


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
    entry_actions = (LookAtStripe(),)


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
