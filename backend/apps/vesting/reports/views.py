"""Reports by API, for staff."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import STAFF, MemberView
from apps.core.shapes import PROBLEM
from apps.sites.scope import current_site_id
from apps.vesting.reports.export import releases_csv
from apps.vesting.reports.queries import by_policy, supply, unlock_calendar
from apps.vesting.reports.serializers import (
    CalendarReportSerializer,
    PolicyReportSerializer,
    SupplyReportSerializer,
)
from apps.vesting.statement_views import ShapeDecides

_EXPORT: dict[Any, Any] = {(200, "text/csv"): OpenApiTypes.STR, 403: PROBLEM}


class UnlockCalendarView(MemberView):
    """What unlocks when."""

    read_roles = STAFF

    @extend_schema(
        operation_id="staff_report_unlock_calendar",
        responses={200: CalendarReportSerializer, 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """Locked tokens of the next 12 months by the day on which they fall due; frozen ones are left out."""
        with self.reading():
            return Response(CalendarReportSerializer({"assets": unlock_calendar()}).data)


class SupplyView(MemberView):
    """Supply over time."""

    read_roles = STAFF

    @extend_schema(operation_id="staff_report_supply", responses={200: SupplyReportSerializer, 403: PROBLEM})
    def get(self, request: Request) -> Response:
        """Granted, unlocked and released by the end of each day, of what is not revoked by now."""
        with self.reading():
            return Response(SupplyReportSerializer({"assets": supply()}).data)


class PoliciesReportView(MemberView):
    """Allocations by policy."""

    read_roles = STAFF

    @extend_schema(
        operation_id="staff_report_policies", responses={200: PolicyReportSerializer, 403: PROBLEM}
    )
    def get(self, request: Request) -> Response:
        """How many allocations there are under each policy, and of how many tokens."""
        with self.reading():
            return Response(PolicyReportSerializer({"policies": by_policy()}).data)


class ReleasesExportView(MemberView):
    """All releases as a file."""

    read_roles = STAFF
    content_negotiation_class = ShapeDecides

    @extend_schema(operation_id="staff_report_releases_export", responses=_EXPORT)
    def get(self, request: Request) -> StreamingHttpResponse:
        """Every release of the site as CSV, as long as it takes; its last line is `sha256` of all before it."""
        with self.reading():
            site_id = current_site_id()
        answer = StreamingHttpResponse(releases_csv(site_id=site_id), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="releases.csv"'
        return answer
