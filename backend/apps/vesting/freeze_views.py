"""Pausing and resuming allocations, and why they stand still."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import OPERATORS, STAFF, MemberView
from apps.accounts.once_view import OnceView
from apps.core.paging import KeysetPagination
from apps.core.shapes import PROBLEM
from apps.idempotency.answered_once import KEY_PARAMETER
from apps.vesting.freeze_serializers import FreezeFilterSerializer, FreezeSerializer, PauseSerializer
from apps.vesting.freezing import allocation_pause, allocation_resume
from apps.vesting.parameters import ALLOCATION
from apps.vesting.queries import freezes

_REFUSALS = {400: PROBLEM, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM, 422: PROBLEM}


class FreezesView(MemberView):
    """What stands still, and stood."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_vesting_freezes_list",
        parameters=[ALLOCATION],
        responses={200: FreezeSerializer(many=True), 400: PROBLEM, 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """Pauses and disputes' freezes of this site, the newest first; without `ended_at` they go on."""
        wanted = FreezeFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        with self.reading():
            page = KeysetPagination()
            rows = page.paginate_queryset(freezes(**wanted.validated_data), request, self)
            return page.get_paginated_response(FreezeSerializer(rows, many=True).data)


class PauseView(OnceView):
    """Pausing."""

    shown = FreezeSerializer
    write_roles = OPERATORS

    @extend_schema(
        operation_id="staff_vesting_allocations_pause",
        parameters=[KEY_PARAMETER],
        request=PauseSerializer,
        responses={201: FreezeSerializer, **_REFUSALS},
    )
    def post(self, request: Request, allocation_id: UUID) -> Response:
        """Let nothing of an allocation unlock or be paid out until it is resumed; transfers under way are left to end.

        409 `already_paused`, `nothing_to_pause`.
        """
        return self.once(
            request,
            f"POST /api/v1/staff/vesting/allocations/{allocation_id}/pause/",
            PauseSerializer,
            lambda member, target, fields: allocation_pause(
                allocation_id=allocation_id, by_member_id=member.id, freeze_id=target, **fields
            ),
            status=201,
        )


class ResumeView(OnceView):
    """Resuming."""

    shown = FreezeSerializer
    write_roles = OPERATORS

    @extend_schema(
        operation_id="staff_vesting_allocations_resume",
        parameters=[KEY_PARAMETER],
        request=PauseSerializer,
        responses={200: FreezeSerializer, **_REFUSALS},
    )
    def post(self, request: Request, allocation_id: UUID) -> Response:
        """End a pause; what fell due meanwhile is unlocked, unless a dispute is open. 409 `not_paused`."""
        return self.once(
            request,
            f"POST /api/v1/staff/vesting/allocations/{allocation_id}/resume/",
            PauseSerializer,
            lambda member, _target, fields: allocation_resume(
                allocation_id=allocation_id, by_member_id=member.id, **fields
            ),
        )
