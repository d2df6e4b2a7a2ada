"""What staff ask for and decide about receivables in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.amounts import UINT256_MAX, format_base_units
from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.decisions import Decision
from apps.sites.scoped_admin.place import StaffPlace
from apps.vesting.models import Receivable
from apps.vesting.receivable_models import ReceivableSettlement, SettlementKind
from apps.vesting.receivable_queries import settled_of
from apps.vesting.receivables import settlement_approve, settlement_ask, settlement_decline


class WriteOffForm(forms.Form):
    amount_base_units = forms.RegexField(
        r"^[0-9]{1,78}\Z",
        label=gettext_lazy("Amount (base units)"),
        help_text=gettext_lazy("All that is open, or a part of it"),
    )
    note = forms.CharField(label=gettext_lazy("Reason and evidence"), max_length=1000)

    def clean_amount_base_units(self) -> int:
        """An int in range."""
        amount = int(self.cleaned_data["amount_base_units"])
        if not 0 < amount <= UINT256_MAX:
            raise forms.ValidationError(_("At least 1, and at most 256 bits."))
        return amount


class RepaidForm(WriteOffForm):
    reference = forms.CharField(label=gettext_lazy("Transaction hash or reference"), max_length=200)


class AskForSettlement(EntryAction):
    """For operators and approvers; another person then approves it."""

    one_only = True
    kind: ClassVar[SettlementKind]
    shape: ClassVar[type[WriteOffForm]]

    def facts(self, rows: Sequence[Receivable]) -> list[tuple[Any, Any]]:
        return _facts(rows[0])

    def form(self, rows: Sequence[Receivable], data: Any = None) -> forms.Form:
        return self.shape(data)

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        settlement_ask(receivable_id=ids[0], kind=self.kind, asked_by_id=place.member_id, **data)
        return _("Asked for. Another person has to approve it.")


class PaidBack(AskForSettlement):
    name, title, kind = "paid-back", gettext_lazy("Paid back, with evidence"), SettlementKind.REPAID
    shape = RepaidForm


class WriteOff(AskForSettlement):
    name, title, kind = "write-off", gettext_lazy("Write off"), SettlementKind.WRITTEN_OFF
    shape = WriteOffForm


class SettlementDecision(Decision):
    """For approvers, and never for who asked."""

    def facts(self, rows: Sequence[ReceivableSettlement]) -> list[tuple[Any, Any]]:
        asked = rows[0]
        return [
            (_("How"), asked.get_kind_display()),
            (_("Amount"), _tokens(asked.receivable, asked.amount_base_units)),
            (_("Transaction hash or reference"), asked.reference),
            (_("Asked by"), asked.asked_by),
            (_("Reason and evidence"), asked.note),
            (_("State"), asked.get_state_display()),
            *_facts(asked.receivable),
        ]


class ApproveSettlement(SettlementDecision):
    name, title = "approve-settlement", gettext_lazy("Approve")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        decided = settlement_approve(settlement_id=ids[0], decided_by_id=place.member_id, **data)
        return str(decided.get_state_display())


class DeclineSettlement(SettlementDecision):
    name, title = "decline-settlement", gettext_lazy("Decline")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        settlement_decline(settlement_id=ids[0], decided_by_id=place.member_id, **data)
        return _("Declined. The tokens stay owed.")


def _facts(receivable: Receivable) -> list[tuple[Any, Any]]:
    settled, waiting = settled_of(receivable_id=receivable.id)
    still_open = receivable.amount_base_units - settled
    return [
        (_("Receivable"), receivable.id),
        (_("Beneficiary"), receivable.allocation.beneficiary),
        (_("Owed back"), _tokens(receivable, receivable.amount_base_units)),
        (_("Open"), _tokens(receivable, still_open)),
        (_("Open (base units)"), still_open),
        (_("Waits for a second person"), _tokens(receivable, waiting)),
    ]


def _tokens(receivable: Receivable, base_units: int) -> str:
    asset = receivable.allocation.asset
    return f"{format_base_units(base_units, asset.decimals)} {asset.code}"
