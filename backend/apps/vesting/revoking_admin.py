"""Revocations, and where approvers decide."""

from __future__ import annotations

from django.contrib import admin

from apps.sites.scoped_admin.base import ScopedAdmin
from apps.sites.scoped_admin.columns import badge, short_id
from apps.vesting.revoking_actions import ApproveRevocation, DeclineRevocation, StopRevocation
from apps.vesting.revoking_models import Revocation

REVOCATION_STATE = badge("state", good=("done",), busy=("asked", "scheduled"), bad=("declined", "stopped"))


@admin.register(Revocation)
class RevocationAdmin(ScopedAdmin):
    cells = (REVOCATION_STATE,)
    list_display = (
        *(short_id, "created_at", "allocation", "scope", *cells, "effective_at"),
        *("asked_by", "decided_by", "finished_at"),
    )
    list_filter = ("state", "scope")
    list_select_related = (
        *("allocation__asset", "allocation__beneficiary__identity"),
        *("asked_by__identity", "decided_by__identity"),
    )
    search_fields = ("id", "allocation__id")
    entry_actions = (ApproveRevocation(), DeclineRevocation(), StopRevocation())
