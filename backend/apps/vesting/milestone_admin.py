"""Milestones in the admin: asked for on an allocation, decided by an approver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.amounts import format_base_units
from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.base import ScopedAdmin
from apps.sites.scoped_admin.columns import badge, short_id
from apps.sites.scoped_admin.decisions import Decision
from apps.sites.scoped_admin.place import StaffPlace
from apps.vesting.milestone_models import Milestone
from apps.vesting.milestones import milestone_approve, milestone_ask, milestone_decline
from apps.vesting.models import Allocation
from apps.vesting.queries import waiting_by_milestone

MILESTONE_STATE = badge("state", good=("recorded",), busy=("asked",), bad=("declined",))


class MilestoneForm(forms.Form):
    code = forms.CharField(label=gettext_lazy("Milestone"), max_length=32)
    happened_at = forms.DateTimeField(
        label=gettext_lazy("Happened at"), help_text=gettext_lazy("UTC, like 2026-11-26 12:00")
    )
    evidence = forms.CharField(label=gettext_lazy("Evidence"), max_length=1000)


class RecordMilestone(EntryAction):
    """For operators and approvers; another person then approves it."""

    name, title, one_only = "milestone", gettext_lazy("Record a milestone"), True

    def facts(self, rows: Sequence[Allocation]) -> list[tuple[Any, Any]]:
        return [(_("Beneficiary"), rows[0].beneficiary), *_waiting(rows[0])]

    def form(self, rows: Sequence[Allocation], data: Any = None) -> forms.Form:
        return MilestoneForm(data)

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        milestone_ask(allocation_id=ids[0], asked_by_id=place.member_id, **data)
        return _("Asked for. Another person has to approve it.")


class MilestoneDecision(Decision):
    """For approvers, and never for who asked."""

    def facts(self, rows: Sequence[Milestone]) -> list[tuple[Any, Any]]:
        asked = rows[0]
        return [
            (_("Milestone"), asked.code),
            (_("Happened at"), asked.happened_at),
            (_("Evidence"), asked.evidence),
            (_("Asked by"), asked.asked_by),
            (_("State"), asked.get_state_display()),
            (_("Beneficiary"), asked.allocation.beneficiary),
            *_waiting(asked.allocation),
        ]


class ApproveMilestone(MilestoneDecision):
    name, title = "approve-milestone", gettext_lazy("Approve")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        decided = milestone_approve(milestone_id=ids[0], decided_by_id=place.member_id, **data)
        return str(decided.get_state_display())


class DeclineMilestone(MilestoneDecision):
    name, title = "decline-milestone", gettext_lazy("Decline")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        milestone_decline(milestone_id=ids[0], decided_by_id=place.member_id, **data)
        return _("Declined. The tokens go on waiting.")


@admin.register(Milestone)
class MilestoneAdmin(ScopedAdmin):
    cells = (MILESTONE_STATE,)
    list_display = (
        short_id,
        "created_at",
        "allocation",
        "code",
        *cells,
        "happened_at",
        "asked_by",
        "decided_by",
        "decided_at",
    )
    list_filter = ("state",)
    list_select_related = (
        "allocation__asset",
        "allocation__beneficiary__identity",
        "asked_by__identity",
        "decided_by__identity",
    )
    search_fields = ("id", "allocation__id")
    entry_actions = (ApproveMilestone(), DeclineMilestone())


def _waiting(allocation: Allocation) -> list[tuple[Any, Any]]:
    asset = allocation.asset
    sums = waiting_by_milestone(allocation_id=allocation.id)
    return [
        (_("Waits for %(code)s") % {"code": code}, f"{format_base_units(total, asset.decimals)} {asset.code}")
        for code, total in sums.items()
    ]
