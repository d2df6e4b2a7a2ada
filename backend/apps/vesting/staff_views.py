"""Vesting of a whole site for staff: what is owed, what can be paid out, policies, and asking for a payout."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import OPERATORS, STAFF, MemberView
from apps.core.paging import KeysetPagination
from apps.core.shapes import PROBLEM
from apps.idempotency.answered_once import KEY_PARAMETER, answered_once
from apps.idempotency.header import idempotency_request
from apps.payouts.serializers import BatchSerializer
from apps.payouts.views import BatchListView
from apps.vesting.parameters import ALLOCATION, ASSET, BENEFICIARY, STATUS
from apps.vesting.payout_link import payout_batch_request
from apps.vesting.policies import policy_create
from apps.vesting.queries import allocations, policies, releases, sums_by_asset
from apps.vesting.serializers import (
    BatchRequestSerializer,
    PolicyRequestSerializer,
    PolicySerializer,
    StaffAllocationSerializer,
    StaffReleaseFilterSerializer,
    StaffReleaseSerializer,
    SummarySerializer,
    sums_document,
)


class StaffAllocationsView(MemberView):
    """The site's allocations."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_vesting_allocations_list",
        responses={200: StaffAllocationSerializer(many=True), 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """The allocations of this site, the newest first."""
        with self.reading():
            page = KeysetPagination()
            rows = page.paginate_queryset(allocations(), request, self)
            return page.get_paginated_response(StaffAllocationSerializer(rows, many=True).data)


class StaffReleasesView(MemberView):
    """The site's releases."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    keyset = ("unlock_at", "id")

    @extend_schema(
        operation_id="staff_vesting_releases_list",
        parameters=[STATUS, ALLOCATION, ASSET, BENEFICIARY],
        responses={200: StaffReleaseSerializer(many=True), 400: PROBLEM, 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """The releases of this site, the earliest first; `status=unlocked` are those that can be paid out."""
        wanted = StaffReleaseFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        with self.reading():
            page = KeysetPagination()
            rows = page.paginate_queryset(releases(**wanted.validated_data), request, self)
            return page.get_paginated_response(StaffReleaseSerializer(rows, many=True).data)


class StaffSummaryView(MemberView):
    """The site's amounts."""

    read_roles = STAFF

    @extend_schema(
        operation_id="staff_vesting_summary_read", responses={200: SummarySerializer, 403: PROBLEM}
    )
    def get(self, _request: Request) -> Response:
        """The site's amounts by asset and state."""
        with self.reading():
            return Response({"assets": [sums_document(asset) for asset in sums_by_asset()]})


class StaffPoliciesView(MemberView):
    """The site's vesting policies."""

    read_roles = STAFF
    write_roles = OPERATORS
    pagination_class = KeysetPagination
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_vesting_policies_list",
        responses={200: PolicySerializer(many=True), 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """The vesting policies of this site, the newest first."""
        with self.reading():
            page = KeysetPagination()
            rows = page.paginate_queryset(policies(), request, self)
            return page.get_paginated_response(PolicySerializer(rows, many=True).data)

    @extend_schema(
        operation_id="staff_vesting_policies_create",
        request=PolicyRequestSerializer,
        responses={201: PolicySerializer, 400: PROBLEM, 403: PROBLEM, 409: PROBLEM},
    )
    def post(self, request: Request) -> Response:
        """Make a policy; a name that exists already gets its next version. Terms never change afterwards."""
        asked = PolicyRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with self.writing():
            policy = policy_create(**asked.validated_data)
        return Response(PolicySerializer(policy).data, status=status.HTTP_201_CREATED)


class StaffBatchesView(BatchListView):
    """The list of batches, and asking for a new one."""

    write_roles = OPERATORS

    @extend_schema(
        operation_id="staff_payout_batches_create",
        parameters=[KEY_PARAMETER],
        request=BatchRequestSerializer,
        responses={
            201: BatchSerializer,
            400: PROBLEM,
            403: PROBLEM,
            404: PROBLEM,
            409: PROBLEM,
            422: PROBLEM,
        },
    )
    def post(self, request: Request) -> Response:
        """Put unlocked releases of one asset into a batch; releases of one beneficiary share a payout.

        404 `unknown_asset`; 409 `release_not_payable` (with `release_ids` it is all or nothing), `wallet_missing`,
        `nothing_payable`.
        """
        claimed = idempotency_request(request, "POST /api/v1/staff/payout-batches/")
        asked = BatchRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with self.writing() as member:

            def made(batch_id: UUID) -> tuple[int, dict[str, Any]]:
                batch = payout_batch_request(
                    requested_by_id=member.id, batch_id=batch_id, **asked.validated_data
                )
                return status.HTTP_201_CREATED, dict(BatchSerializer(batch).data)

            return answered_once(claimed, made)
