"""What staff ask for and decide about held payouts in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.amounts import format_base_units
from apps.payouts.hold_reasons import hold_reason
from apps.payouts.models import Payout, PayoutStatus
from apps.payouts.resolution_models import PayoutResolution, ResolutionAction
from apps.payouts.resolution_serializers import TX_HASH
from apps.payouts.resolutions import resolution_approve, resolution_ask, resolution_decline
from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.decisions import Decision
from apps.sites.scoped_admin.place import StaffPlace


class NoteForm(forms.Form):
    note = forms.CharField(label=gettext_lazy("Reason and evidence"), max_length=1000)


class EvidenceForm(NoteForm):
    tx_hash = forms.RegexField(TX_HASH, label=gettext_lazy("Transaction hash"))


class AskForResolution(EntryAction):
    """For operators and approvers; another person then approves it."""

    one_only = True
    action: ClassVar[ResolutionAction]

    def fits(self, row: Payout) -> bool:
        return row.status == PayoutStatus.HELD

    def facts(self, rows: Sequence[Payout]) -> list[tuple[Any, Any]]:
        return _facts(rows[0])

    def form(self, rows: Sequence[Payout], data: Any = None) -> forms.Form:
        return NoteForm(data)

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        resolution_ask(payout_id=ids[0], action=self.action, asked_by_id=place.member_id, **data)
        return _("Asked for. Another person has to approve it.")


class AskAgain(AskForResolution):
    name, title, action = "ask-again", gettext_lazy("Ask the provider again"), ResolutionAction.ASK_AGAIN


class SettleByEvidence(AskForResolution):
    name, title, action = (
        "settle-by-evidence",
        gettext_lazy("Mark as settled, with evidence"),
        ResolutionAction.SETTLE,
    )

    def form(self, rows: Sequence[Payout], data: Any = None) -> forms.Form:
        return EvidenceForm(data)


class ReleaseBack(AskForResolution):
    name, title, action = (
        "release-back",
        gettext_lazy("Release back, to be paid again"),
        ResolutionAction.RELEASE,
    )


class ResolutionDecision(Decision):
    """For approvers, and never for who asked."""

    def facts(self, rows: Sequence[PayoutResolution]) -> list[tuple[Any, Any]]:
        asked = rows[0]
        return [
            (_("Action"), asked.get_action_display()),
            (_("Asked by"), asked.asked_by),
            (_("Reason and evidence"), asked.note),
            (_("Transaction hash"), asked.tx_hash),
            (_("State"), asked.get_state_display()),
            *_facts(asked.payout),
        ]


class ApproveResolution(ResolutionDecision):
    name = "approve-resolution"
    title = gettext_lazy("Approve")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        decided = resolution_approve(resolution_id=ids[0], decided_by_id=place.member_id, **data)
        return str(decided.get_state_display())


class DeclineResolution(ResolutionDecision):
    name = "decline-resolution"
    title = gettext_lazy("Decline")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        resolution_decline(resolution_id=ids[0], decided_by_id=place.member_id, **data)
        return _("Declined. The payout stays held.")


def _facts(payout: Payout) -> list[tuple[Any, Any]]:
    tokens = format_base_units(payout.amount_base_units, payout.asset.decimals)
    return [
        (_("Payout"), payout.id),
        (_("Amount"), f"{tokens} {payout.asset.code}"),
        (_("To address"), payout.to_address),
        (_("Status"), payout.get_status_display()),
        (_("Held because"), hold_reason(payout.hold_code)),
    ]
