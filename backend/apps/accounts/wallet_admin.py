"""Wallets in the admin: looked at here, and their changes approved or stopped by staff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.wallet_changes import change_approve, change_stop
from apps.accounts.wallet_models import (
    OPEN_CHANGES,
    ChangeStatus,
    Wallet,
    WalletChange,
    WalletNotice,
    WalletProof,
)
from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.base import ReadOnlyInline, ScopedAdmin
from apps.sites.scoped_admin.columns import badge, short_id
from apps.sites.scoped_admin.place import StaffPlace

CHANGE_STATE = badge(good=("done",), busy=("awaiting_staff", "cooling_off"), bad=("stopped",))
NOTICE_STATE = badge(good=("sent",), busy=("waiting",), bad=("failed", "no_address"))


class ReasonForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=500)


class ChangeDecision(EntryAction):
    """One change at a time: whose it is has to be looked at."""

    one_only = True

    def facts(self, rows: Sequence[WalletChange]) -> list[tuple[Any, Any]]:
        change = rows[0]
        signed = _("Both wallets") if change.old_proof_id else _("The new wallet only")
        return [
            (_("Member"), change.member),
            (_("From"), change.old_wallet),
            (_("To"), change.new_address),
            (_("Signed by"), signed),
            (_("Reason"), change.reason),
            (_("Status"), change.get_status_display()),
            (_("First approval"), change.first_approver or "-"),
            (_("Active at"), change.active_at or "-"),
        ]


class ApproveChange(ChangeDecision):
    name = "approve-change"
    title = gettext_lazy("Approve change of address")

    def fits(self, row: WalletChange) -> bool:
        return row.status == ChangeStatus.AWAITING_STAFF

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        change = change_approve(change_id=ids[0], by_member_id=place.member_id)
        if change.status == ChangeStatus.AWAITING_STAFF:
            return _("Approved. Another member of staff has to approve it too.")
        return _("Approved by two. The cooling-off has begun, and the beneficiary is told.")


class StopChange(ChangeDecision):
    name = "stop-change"
    title = gettext_lazy("Stop change of address")

    def fits(self, row: WalletChange) -> bool:
        return row.status in OPEN_CHANGES

    def form(self, rows: Sequence[WalletChange], data: Any = None) -> forms.Form:
        return ReasonForm(data)

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        change_stop(change_id=ids[0], by_member_id=place.member_id, reason=data["reason"])
        return _("Stopped. The address stays as it was, and the beneficiary is told.")


class WalletInline(ReadOnlyInline):
    model = Wallet
    shown = ("address", "is_active", "created_at")


class NoticeInline(ReadOnlyInline):
    model = WalletNotice
    shown = ("kind", NOTICE_STATE, "to_email", "attempts", "error_code", "sent_at")


@admin.register(Wallet)
class WalletAdmin(ScopedAdmin):
    list_display = ("address", "member", "is_active", "created_at")
    list_select_related = ("member__identity",)
    search_fields = ("id", "member__id", "address")
    search_help_text = gettext_lazy("The whole address with its checksum, or an id")


@admin.register(WalletProof)
class WalletProofAdmin(ScopedAdmin):
    list_display = (short_id, "created_at", "address", "member", "purpose", "method", "chain_id")
    list_select_related = ("member__identity",)
    search_fields = ("id", "member__id", "address")


@admin.register(WalletChange)
class WalletChangeAdmin(ScopedAdmin):
    cells = (CHANGE_STATE,)
    list_display = (short_id, "created_at", *cells, "member", "old_wallet", "new_address", "active_at")
    list_filter = ("status",)
    list_select_related = ("member__identity", "old_wallet", "first_approver__identity")
    search_fields = ("id", "member__id", "new_address")
    inlines = (NoticeInline,)
    entry_actions = (ApproveChange(), StopChange())


@admin.register(WalletNotice)
class WalletNoticeAdmin(ScopedAdmin):
    cells = (NOTICE_STATE,)
    list_display = (short_id, "created_at", *cells, "kind", "member", "to_email", "attempts", "error_code")
    list_filter = ("status",)
    list_select_related = ("member__identity",)
    search_fields = ("id", "member__id", "change__id")
