from django.urls import URLPattern, path

from apps.vesting.freeze_views import FreezesView, PauseView, ResumeView
from apps.vesting.milestone_views import (
    MilestoneApproveView,
    MilestoneAskView,
    MilestoneDeclineView,
    MilestonesView,
)
from apps.vesting.preview_views import PolicyPreviewView
from apps.vesting.receivable_views import (
    ReceivablesView,
    SettlementApproveView,
    SettlementAskView,
    SettlementDeclineView,
    SettlementsView,
)
from apps.vesting.reports.views import PoliciesReportView, ReleasesExportView, SupplyView, UnlockCalendarView
from apps.vesting.revoking_views import (
    RevocationApproveView,
    RevocationAskView,
    RevocationDeclineView,
    RevocationStopView,
    RevocationsView,
)
from apps.vesting.staff_views import (
    StaffAllocationsView,
    StaffBatchesView,
    StaffPoliciesView,
    StaffReleasesView,
    StaffSummaryView,
)
from apps.vesting.statement_views import (
    StaffStatementCurveView,
    StaffStatementView,
    StatementCurveView,
    StatementView,
)
from apps.vesting.views import AllocationsView, AllocationView, ReleasesView, ScheduleView, SummaryView

_SETTLEMENT = "staff/receivable-settlements/<uuid:settlement_id>/"
urlpatterns: list[URLPattern] = [
    path("vesting/allocations/", AllocationsView.as_view(), name="vesting-allocations"),
    path("vesting/allocations/<uuid:allocation_id>/", AllocationView.as_view(), name="vesting-allocation"),
    path(
        "vesting/allocations/<uuid:allocation_id>/schedule/", ScheduleView.as_view(), name="vesting-schedule"
    ),
    path("vesting/releases/", ReleasesView.as_view(), name="vesting-releases"),
    path("vesting/statement/", StatementView.as_view(), name="vesting-statement"),
    path("vesting/statement/curve/", StatementCurveView.as_view(), name="vesting-statement-curve"),
    path(
        "staff/vesting/statements/<uuid:member_id>/curve/",
        StaffStatementCurveView.as_view(),
        name="staff-vesting-statement-curve",
    ),
    path(
        "staff/vesting/statements/<uuid:member_id>/",
        StaffStatementView.as_view(),
        name="staff-vesting-statement",
    ),
    path("vesting/summary/", SummaryView.as_view(), name="vesting-summary"),
    path("staff/vesting/allocations/", StaffAllocationsView.as_view(), name="staff-vesting-allocations"),
    path("staff/vesting/releases/", StaffReleasesView.as_view(), name="staff-vesting-releases"),
    path("staff/vesting/summary/", StaffSummaryView.as_view(), name="staff-vesting-summary"),
    path("staff/vesting/policies/", StaffPoliciesView.as_view(), name="staff-vesting-policies"),
    path(
        "staff/vesting/policies/preview/", PolicyPreviewView.as_view(), name="staff-vesting-policies-preview"
    ),
    path(
        "staff/vesting/allocations/<uuid:allocation_id>/revocations/",
        RevocationAskView.as_view(),
        name="staff-vesting-revocation-ask",
    ),
    path(
        "staff/vesting/allocations/<uuid:allocation_id>/pause/",
        PauseView.as_view(),
        name="staff-vesting-pause",
    ),
    path(
        "staff/vesting/allocations/<uuid:allocation_id>/resume/",
        ResumeView.as_view(),
        name="staff-vesting-resume",
    ),
    path("staff/reports/unlock-calendar/", UnlockCalendarView.as_view(), name="staff-report-calendar"),
    path("staff/reports/supply/", SupplyView.as_view(), name="staff-report-supply"),
    path("staff/reports/policies/", PoliciesReportView.as_view(), name="staff-report-policies"),
    path("staff/reports/releases/export/", ReleasesExportView.as_view(), name="staff-report-releases"),
    path("staff/vesting/freezes/", FreezesView.as_view(), name="staff-vesting-freezes"),
    path(
        "staff/vesting/allocations/<uuid:allocation_id>/milestones/",
        MilestoneAskView.as_view(),
        name="staff-vesting-milestone-ask",
    ),
    path("staff/vesting/milestones/", MilestonesView.as_view(), name="staff-vesting-milestones"),
    path(
        "staff/vesting/milestones/<uuid:milestone_id>/approve/",
        MilestoneApproveView.as_view(),
        name="staff-vesting-milestone-approve",
    ),
    path(
        "staff/vesting/milestones/<uuid:milestone_id>/decline/",
        MilestoneDeclineView.as_view(),
        name="staff-vesting-milestone-decline",
    ),
    path("staff/vesting/revocations/", RevocationsView.as_view(), name="staff-vesting-revocations"),
    path(
        "staff/vesting/revocations/<uuid:revocation_id>/approve/",
        RevocationApproveView.as_view(),
        name="staff-vesting-revocation-approve",
    ),
    path(
        "staff/vesting/revocations/<uuid:revocation_id>/decline/",
        RevocationDeclineView.as_view(),
        name="staff-vesting-revocation-decline",
    ),
    path(
        "staff/vesting/revocations/<uuid:revocation_id>/stop/",
        RevocationStopView.as_view(),
        name="staff-vesting-revocation-stop",
    ),
    path("staff/receivables/", ReceivablesView.as_view(), name="staff-receivables"),
    path(
        "staff/receivables/<uuid:receivable_id>/settlements/",
        SettlementAskView.as_view(),
        name="staff-receivable-ask",
    ),
    path("staff/receivable-settlements/", SettlementsView.as_view(), name="staff-receivable-settlements"),
    path(
        f"{_SETTLEMENT}approve/", SettlementApproveView.as_view(), name="staff-receivable-settlement-approve"
    ),
    path(
        f"{_SETTLEMENT}decline/", SettlementDeclineView.as_view(), name="staff-receivable-settlement-decline"
    ),
    path("staff/payout-batches/", StaffBatchesView.as_view(), name="staff-payout-batches"),
]
