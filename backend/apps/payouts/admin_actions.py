"""What approvers decide about a batch in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.amounts import format_base_units
from apps.payouts.batches import batch_approve, batch_reject
from apps.payouts.models import BatchStatus, PayoutBatch
from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.place import StaffPlace


class PlanForm(forms.Form):
    """Posts back the hash that the page showed, so that nothing else can be approved by it."""

    plan_sha256 = forms.CharField(max_length=64, widget=forms.HiddenInput)


class ReasonForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=500)


class BatchDecision(EntryAction):
    """For approvers, one batch at a time: each is a plan of its own to be read."""

    one_only = True

    def allowed(self, place: StaffPlace) -> bool:
        return place.may_approve

    def fits(self, row: PayoutBatch) -> bool:
        return row.status == BatchStatus.DRAFT

    def facts(self, rows: Sequence[PayoutBatch]) -> list[tuple[Any, Any]]:
        batch = rows[0]
        total = format_base_units(batch.total_base_units, batch.asset.decimals)
        return [
            (_("Batch"), batch.id),
            (_("Total"), f"{total} {batch.asset.code}"),
            (_("Total (base units)"), batch.total_base_units),
            (_("Payouts"), batch.payout_count),
            (_("Requested by"), batch.requested_by),
            (_("Approval rule"), batch.get_rule_display()),
            (_("Status"), batch.get_status_display()),
            (_("Plan hash"), format_html("<code>{}</code>", batch.plan_sha256)),
        ]


class ApproveBatch(BatchDecision):
    name = "approve"
    title = gettext_lazy("Approve batch")

    def form(self, rows: Sequence[PayoutBatch], data: Any = None) -> forms.Form:
        return PlanForm(data, initial={"plan_sha256": rows[0].plan_sha256})

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        batch_approve(batch_id=ids[0], plan_sha256=data["plan_sha256"], approved_by_id=place.member_id)
        return _("Approved. The payouts are on their way.")


class RejectBatch(BatchDecision):
    name = "reject"
    title = gettext_lazy("Reject batch")

    def form(self, rows: Sequence[PayoutBatch], data: Any = None) -> forms.Form:
        return ReasonForm(data)

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        batch_reject(batch_id=ids[0], reason=data["reason"], rejected_by_id=place.member_id)
        return _("Rejected. What it was for can be requested again.")
