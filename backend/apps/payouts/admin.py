"""Payout batches, which approvers decide on here, with their payouts and each submission."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.payouts import (  # noqa: F401 - Django loads this module only
    evm_admin,
    fireblocks_admin,
    pace_admin,
    resolution_admin,
)
from apps.payouts.admin_actions import ApproveBatch, RejectBatch
from apps.payouts.hold_reasons import hold_reason
from apps.payouts.models import Payout, PayoutAttempt, PayoutBatch, PayoutStatus
from apps.payouts.resolution_actions import AskAgain, ReleaseBack, SettleByEvidence
from apps.sites.scoped_admin.base import ReadOnlyInline, ScopedAdmin
from apps.sites.scoped_admin.columns import badge, short_id, whole_tokens

PAYOUT_TOKENS = whole_tokens("amount_base_units", asset="asset")
PAYOUT_STATE = badge(
    good=("paid",), busy=("ready", "submitting", "submitted", "awaiting_approval"), bad=("failed", "held")
)
BATCH_TOKENS = whole_tokens("total_base_units", asset="asset", label=_("total"))
BATCH_STATE = badge(good=("approved",), busy=("draft",), bad=("rejected",))
ATTEMPT_STATE = badge(good=("succeeded",), busy=("open",), bad=("failed",))


class PayoutInline(ReadOnlyInline):
    model = Payout
    shown = ("to_address", PAYOUT_TOKENS, PAYOUT_STATE, "tx_hash", "settled_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("asset")


@admin.register(PayoutBatch)
class PayoutBatchAdmin(ScopedAdmin):
    cells = (BATCH_TOKENS, BATCH_STATE)
    list_display = (
        short_id,
        "created_at",
        *cells,
        "payout_count",
        "rule",
        "requested_by",
        "decided_by",
        "decided_at",
    )
    list_filter = ("status",)
    list_select_related = ("asset", "requested_by__identity", "decided_by__identity")
    search_fields = ("id",)
    inlines = (PayoutInline,)
    entry_actions = (ApproveBatch(), RejectBatch())


class AttemptInline(ReadOnlyInline):
    model = PayoutAttempt
    shown = (
        "number",
        "external_id",
        ATTEMPT_STATE,
        "sends",
        "last_sent_at",
        "raw_status",
        "sub_status",
        "tx_hash",
        "error_code",
    )
    ordering = ("number",)


class DueFilter(admin.SimpleListFilter):
    """Payouts that a worker, or a person, still has to look at: the conditions of their partial indexes."""

    title = _("work")
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Still to be looked at")), ("held", _("Held for a person"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "held":
            return queryset.filter(status=PayoutStatus.HELD)
        return queryset.filter(next_attempt_at__isnull=False) if self.value() == "open" else queryset


@admin.display(description=_("in words"))
def hold_words(payout: Payout) -> str:
    """What a person has to know about a held payout."""
    return hold_reason(payout.hold_code)


@admin.register(Payout)
class PayoutAdmin(ScopedAdmin):
    cells = (PAYOUT_TOKENS, PAYOUT_STATE, hold_words)
    list_display = (
        short_id,
        "to_address",
        PAYOUT_TOKENS,
        PAYOUT_STATE,
        "hold_code",
        "next_attempt_at",
        "tx_hash",
        "batch",
        "settled_at",
    )
    list_filter = (DueFilter,)
    list_select_related = ("asset", "batch")
    search_fields = ("id", "batch__id", "to_address")
    inlines = (AttemptInline,)
    entry_actions = (AskAgain(), SettleByEvidence(), ReleaseBack())


@admin.register(PayoutAttempt)
class PayoutAttemptAdmin(ScopedAdmin):
    cells = (ATTEMPT_STATE,)
    list_display = (
        "external_id",
        "payout",
        "number",
        *cells,
        "sends",
        "last_sent_at",
        "raw_status",
        "error_code",
    )
    list_select_related = ("payout",)
    search_fields = ("id", "payout__id", "external_id", "provider_transfer_id")
