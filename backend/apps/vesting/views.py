"""What a member is owed, when it unlocks, and what was paid. Everybody sees their own only."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import MemberView
from apps.core.paging import KeysetPagination
from apps.core.problems import Problem
from apps.core.shapes import PROBLEM
from apps.vesting.parameters import ALLOCATION, STATUS
from apps.vesting.queries import allocations, releases, schedule_of, sums_by_asset
from apps.vesting.serializers import (
    AllocationDetailSerializer,
    AllocationSerializer,
    ReleaseFilterSerializer,
    ReleaseSerializer,
    ScheduleSerializer,
    SummarySerializer,
    sums_document,
)


class AllocationsView(MemberView):
    """The caller's allocations."""

    pagination_class = KeysetPagination
    # Ids are time-ordered, and the index of a beneficiary's allocations ends in them.
    keyset = ("-id",)

    @extend_schema(operation_id="vesting_allocations_list", responses=AllocationSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Your allocations, the newest first."""
        with self.reading() as member:
            page = KeysetPagination()
            rows = page.paginate_queryset(allocations(beneficiary_id=member.id), request, self)
            return page.get_paginated_response(AllocationSerializer(rows, many=True).data)


class AllocationView(MemberView):
    """One allocation of the caller."""

    @extend_schema(
        operation_id="vesting_allocations_read", responses={200: AllocationDetailSerializer, 404: PROBLEM}
    )
    def get(self, _request: Request, allocation_id: UUID) -> Response:
        """An allocation of yours with its amounts by state."""
        with self.reading() as member:
            allocation = allocations(beneficiary_id=member.id).filter(id=allocation_id).first()
            if allocation is None:
                raise _unknown_allocation()
            [sums] = sums_by_asset(allocation_id=allocation.id)
            states = sums_document(sums)["by_status"]
            return Response({**AllocationSerializer(allocation).data, "by_status": states})


class ScheduleView(MemberView):
    """The schedule of one allocation of the caller."""

    @extend_schema(operation_id="vesting_schedule_read", responses={200: ScheduleSerializer, 404: PROBLEM})
    def get(self, _request: Request, allocation_id: UUID) -> Response:
        """The frozen terms of an allocation of yours; its dated parts are the releases."""
        with self.reading() as member:
            schedule = schedule_of(allocation_id=allocation_id, beneficiary_id=member.id)
            if schedule is None:
                raise _unknown_allocation()
            return Response(ScheduleSerializer(schedule).data)


class ReleasesView(MemberView):
    """The caller's releases."""

    pagination_class = KeysetPagination
    keyset = ("unlock_at", "id")

    @extend_schema(
        operation_id="vesting_releases_list",
        parameters=[STATUS, ALLOCATION],
        responses={200: ReleaseSerializer(many=True), 400: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """Your releases, the earliest first."""
        wanted = ReleaseFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        with self.reading() as member:
            page = KeysetPagination()
            found = releases(beneficiary_id=member.id, **wanted.validated_data)
            rows = page.paginate_queryset(found, request, self)
            return page.get_paginated_response(ReleaseSerializer(rows, many=True).data)


class SummaryView(MemberView):
    """The caller's amounts."""

    @extend_schema(operation_id="vesting_summary_read", responses=SummarySerializer)
    def get(self, _request: Request) -> Response:
        """Your amounts by asset and state: locked, unlocked, being paid out, released and the rest."""
        with self.reading() as member:
            sums = sums_by_asset(beneficiary_id=member.id)
            return Response({"assets": [sums_document(asset) for asset in sums]})


def _unknown_allocation() -> Problem:
    return Problem("not_found", 404, _("There is no such allocation."))
