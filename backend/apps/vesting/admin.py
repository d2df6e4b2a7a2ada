"""Policies, which staff make here, and what is owed: allocations, their schedules and releases."""

from __future__ import annotations

from itertools import groupby
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import JSONField, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.sites.scoped_admin.base import ReadOnlyInline, ScopedAdmin, WritableAdmin
from apps.sites.scoped_admin.columns import badge, short_id, whole_tokens
from apps.vesting import (
    milestone_admin,  # registers its page
    receivable_admin,  # noqa: F401 - registers its models
    revoking_admin,  # noqa: F401 - registers its page
)
from apps.vesting.admin_actions import RequestPayout
from apps.vesting.forms import TermsJson, VestingPolicyForm
from apps.vesting.freeze_admin import Pause, Resume
from apps.vesting.models import (
    COLUMNS_OF_VERSION_1,
    TERMS_FIELDS,
    Allocation,
    Release,
    ReleaseStatus,
    VestingPolicy,
    VestingSchedule,
)
from apps.vesting.preview_admin import PolicyPreview, prefilled
from apps.vesting.reports.admin import HasReports
from apps.vesting.revoking_actions import RevokeAll, RevokeUnvested
from apps.vesting.statement_admin import HasStatement, statement_link

RELEASE_STATE = badge(
    good=("released",), busy=("unlocked", "processing"), bad=("held", "frozen", "revoked", "replaced")
)
RELEASE_TOKENS = whole_tokens("amount_base_units", asset="allocation.asset")
IN_FLIGHT = (ReleaseStatus.PROCESSING, ReleaseStatus.HELD, ReleaseStatus.RELEASED)


@admin.display(description=_("terms"))
def kinds(policy: VestingPolicy) -> str:
    """What terms of version 2 are made of, in few words."""
    if policy.terms is None:
        return "-"
    clock = policy.terms["vesting"]
    parts = [
        *(segment["kind"] for segment in clock.get("segments", [])),
        *("tranche" for _ in clock.get("tranches", [])),
    ]
    start = ["start"] if "at_start" in clock else []
    return " + ".join(f"{len(list(same))} {kind}" for kind, same in groupby([*start, *parts]))


@admin.register(VestingPolicy)
class VestingPolicyAdmin(PolicyPreview, WritableAdmin):
    form = VestingPolicyForm
    formfield_overrides: ClassVar[Any] = {JSONField: {"form_class": TermsJson}}
    list_display = ("name", "version", *COLUMNS_OF_VERSION_1, kinds, "starts_at", "is_active")
    list_filter = ("is_active",)
    search_fields = ("id", "name")
    ordering = ("name", "-version")
    fixed = ("name", "version", "starts_at", *TERMS_FIELDS)

    def columns_of_a_new_row(self) -> list[str]:
        return [name for name in super().columns_of_a_new_row() if name != "version"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the preview's link carries; what cannot be read is left out."""
        return prefilled(super().get_changeform_initial_data(request))


class ReleaseInline(ReadOnlyInline):
    model = Release
    shown = ("number", "unlock_at", "milestone", RELEASE_TOKENS, RELEASE_STATE, "payout", "tx_hash")
    ordering = ("unlock_at", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("allocation__asset", "payout")


class ScheduleInline(ReadOnlyInline):
    model = VestingSchedule
    shown = ("start_at", whole_tokens("total_base_units", asset="allocation.asset"), "policy", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("allocation__asset", "policy")


@admin.register(Allocation)
class AllocationAdmin(HasStatement, HasReports):
    cells = (whole_tokens("amount_base_units", asset="asset"), statement_link)
    list_display = (short_id, "beneficiary", *cells, "source_kind", "source_id", "created_at")
    list_select_related = ("asset", "beneficiary__identity")
    search_fields = ("id", "beneficiary__id")
    inlines = (ScheduleInline, ReleaseInline)
    entry_actions = (RevokeUnvested(), RevokeAll(), Pause(), Resume(), milestone_admin.RecordMilestone())


@admin.register(VestingSchedule)
class VestingScheduleAdmin(ScopedAdmin):
    cells = (whole_tokens("total_base_units", asset="allocation.asset"),)
    list_display = (short_id, "allocation", "policy", "start_at", *cells, "created_at")
    list_select_related = ("allocation__asset", "policy")
    search_fields = ("id", "allocation__id")
    inlines = (ReleaseInline,)


class ReleaseStateFilter(admin.SimpleListFilter):
    """The states that a partial index finds; the others are a scan of all releases of the site."""

    title = _("status")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        found = (ReleaseStatus.LOCKED, ReleaseStatus.UNLOCKED, *IN_FLIGHT)
        return [(str(state.value), state.label) for state in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = self.value()
        if state in (ReleaseStatus.LOCKED, ReleaseStatus.UNLOCKED):
            return queryset.filter(status=state).order_by("unlock_at", "id")
        if state in IN_FLIGHT:
            return queryset.filter(status=state, payout__isnull=False)
        return queryset


@admin.display(description=_("beneficiary"))
def beneficiary(release: Release) -> str:
    """Whom the tokens are for."""
    return str(release.allocation.beneficiary)


@admin.register(Release)
class ReleaseAdmin(ScopedAdmin):
    cells = (RELEASE_TOKENS, RELEASE_STATE)
    list_display = (
        short_id,
        "number",
        "unlock_at",
        "milestone",
        *cells,
        beneficiary,
        "payout",
        "released_at",
        "tx_hash",
    )
    list_filter = (ReleaseStateFilter,)
    list_select_related = ("allocation__asset", "allocation__beneficiary__identity", "payout")
    search_fields = ("id", "allocation__id", "schedule__id", "payout__id")
    entry_actions = (RequestPayout(),)
