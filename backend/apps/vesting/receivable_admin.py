"""What is owed back, how it was settled, and where approvers decide."""

from __future__ import annotations

from django.contrib import admin

from apps.sites.scoped_admin.base import ReadOnlyInline, ScopedAdmin
from apps.sites.scoped_admin.columns import badge, short_id, whole_tokens
from apps.vesting.models import Receivable
from apps.vesting.receivable_actions import ApproveSettlement, DeclineSettlement, PaidBack, WriteOff
from apps.vesting.receivable_models import ReceivableSettlement

SETTLEMENT_STATE = badge("state", good=("done",), busy=("asked",), bad=("declined",))


class SettlementInline(ReadOnlyInline):
    model = ReceivableSettlement
    shown = ("created_at", "kind", "amount_base_units", SETTLEMENT_STATE, "reference", "note")
    ordering = ("id",)


@admin.register(Receivable)
class ReceivableAdmin(ScopedAdmin):
    cells = (whole_tokens("amount_base_units", asset="allocation.asset"),)
    list_display = (short_id, "created_at", "allocation", *cells, "cause_kind", "cause_id")
    list_select_related = ("allocation__asset", "allocation__beneficiary__identity")
    search_fields = ("id", "allocation__id", "cause_id")
    inlines = (SettlementInline,)
    entry_actions = (PaidBack(), WriteOff())


@admin.register(ReceivableSettlement)
class ReceivableSettlementAdmin(ScopedAdmin):
    cells = (whole_tokens("amount_base_units", asset="receivable.allocation.asset"), SETTLEMENT_STATE)
    list_display = (
        short_id,
        "created_at",
        "receivable",
        "kind",
        *cells,
        "reference",
        "asked_by",
        "decided_by",
        "decided_at",
    )
    list_filter = ("state", "kind")
    list_select_related = (
        "receivable__allocation__asset",
        "receivable__allocation__beneficiary__identity",
        "asked_by__identity",
        "decided_by__identity",
    )
    search_fields = ("id", "receivable__id", "reference")
    entry_actions = (ApproveSettlement(), DeclineSettlement())
