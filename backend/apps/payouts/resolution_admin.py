"""What was asked and decided about held payouts, and where approvers decide."""

from __future__ import annotations

from django.contrib import admin

from apps.payouts.resolution_actions import ApproveResolution, DeclineResolution
from apps.payouts.resolution_models import PayoutResolution
from apps.sites.scoped_admin.base import ScopedAdmin
from apps.sites.scoped_admin.columns import badge, short_id

RESOLUTION_STATE = badge(
    "state", good=("done",), busy=("asked", "approved"), bad=("declined", "refused", "overtaken")
)


@admin.register(PayoutResolution)
class PayoutResolutionAdmin(ScopedAdmin):
    cells = (RESOLUTION_STATE,)
    list_display = (
        short_id,
        "created_at",
        "payout",
        "action",
        *cells,
        "asked_by",
        "decided_by",
        "decided_at",
        "result",
    )
    list_filter = ("state", "action")
    list_select_related = ("payout__asset", "asked_by__identity", "decided_by__identity")
    search_fields = ("id", "payout__id", "tx_hash")
    entry_actions = (ApproveResolution(), DeclineResolution())
