"""Revoking in the admin: asked for on an allocation, decided and stopped on the revocation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.amounts import format_base_units
from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.decisions import Decision
from apps.sites.scoped_admin.place import StaffPlace
from apps.vesting.models import Allocation
from apps.vesting.queries import sums_by_asset
from apps.vesting.revoking import (
    revocation_approve,
    revocation_ask,
    revocation_decline,
    revocation_stop,
)
from apps.vesting.revoking_models import Revocation, RevocationScope, RevocationState


class RevokeForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=1000)
    effective_at = forms.DateTimeField(
        label=gettext_lazy("Takes effect at (UTC)"),
        required=False,
        help_text=gettext_lazy("Empty: now. What is vested by then stays."),
    )


class _Revoke(EntryAction):
    one_only = True
    scope: RevocationScope

    def facts(self, rows: Sequence[Allocation]) -> list[tuple[Any, Any]]:
        return _facts(rows[0])

    def form(self, rows: Sequence[Allocation], data: Any = None) -> forms.Form:
        return RevokeForm(data)

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        made = revocation_ask(allocation_id=ids[0], scope=self.scope, asked_by_id=place.member_id, **data)
        return _("Revocation %(id)s: %(state)s.") % {"id": made.id, "state": made.get_state_display()}


class RevokeUnvested(_Revoke):
    """One person's word: what is vested stays."""

    name, title, scope = (
        "revoke-unvested",
        gettext_lazy("Revoke what is not vested"),
        RevocationScope.UNVESTED,
    )


class RevokeAll(_Revoke):
    """Another person has to approve it."""

    name, title, scope = "revoke-all", gettext_lazy("Revoke all, for cause"), RevocationScope.ALL


class _Decide(Decision):
    def facts(self, rows: Sequence[Revocation]) -> list[tuple[Any, Any]]:
        asked = rows[0]
        return [
            (_("Revoked"), asked.get_scope_display()),
            (_("Takes effect at"), asked.effective_at),
            (_("Asked by"), asked.asked_by),
            (_("Reason"), asked.reason),
            (_("State"), asked.get_state_display()),
            *_facts(asked.allocation),
        ]


class ApproveRevocation(_Decide):
    """For approvers, and never for who asked."""

    name, title = "approve-revocation", gettext_lazy("Approve")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        decided = revocation_approve(revocation_id=ids[0], decided_by_id=place.member_id, **data)
        return str(decided.get_state_display())


class DeclineRevocation(_Decide):
    """Also for who asked: it is taken back so."""

    name, title = "decline-revocation", gettext_lazy("Decline")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        revocation_decline(revocation_id=ids[0], decided_by_id=place.member_id, **data)
        return _("Declined. Nothing was revoked.")


class StopRevocation(_Decide):
    """Before its time has come."""

    name, title, state = "stop-revocation", gettext_lazy("Stop"), RevocationState.SCHEDULED

    def allowed(self, place: StaffPlace) -> bool:
        return place.may_write

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        revocation_stop(revocation_id=ids[0], stopped_by_id=place.member_id, **data)
        return _("Stopped. Nothing was revoked.")


def _facts(allocation: Allocation) -> list[tuple[Any, Any]]:
    decimals, code = allocation.asset.decimals, allocation.asset.code
    states = [
        (status, format_base_units(amount, decimals))
        for sums in sums_by_asset(allocation_id=allocation.id)
        for status, amount in sums.by_status.items()
        if amount
    ]
    return [
        (_("Allocation"), allocation.id),
        (_("Beneficiary"), allocation.beneficiary),
        (_("Amount"), f"{format_base_units(allocation.amount_base_units, decimals)} {code}"),
        (_("By state"), ", ".join(f"{amount} {status}" for status, amount in states)),
    ]
