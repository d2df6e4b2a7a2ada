"""Milestones for staff: saying that an event has happened, and deciding as a second person."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import APPROVERS, OPERATORS, STAFF, MemberView
from apps.accounts.once_view import OnceView
from apps.core.paging import KeysetPagination
from apps.core.shapes import PROBLEM, DecisionSerializer
from apps.idempotency.answered_once import KEY_PARAMETER
from apps.vesting.milestone_models import MilestoneState
from apps.vesting.milestone_serializers import (
    MilestoneAskSerializer,
    MilestoneFilterSerializer,
    MilestoneSerializer,
)
from apps.vesting.milestones import milestone_approve, milestone_ask, milestone_decline
from apps.vesting.parameters import ALLOCATION
from apps.vesting.queries import milestones

_REFUSALS = {400: PROBLEM, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM, 422: PROBLEM}


class MilestonesView(MemberView):
    """What was asked and decided."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_vesting_milestones_list",
        parameters=[
            OpenApiParameter(
                "state", str, enum=MilestoneState.values, description="Only those in this state."
            ),
            ALLOCATION,
        ],
        responses={200: MilestoneSerializer(many=True), 400: PROBLEM, 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """Milestones of this site, the newest first."""
        wanted = MilestoneFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        with self.reading():
            page = KeysetPagination()
            rows = page.paginate_queryset(milestones(**wanted.validated_data), request, self)
            return page.get_paginated_response(MilestoneSerializer(rows, many=True).data)


class MilestoneAskView(OnceView):
    """Asking."""

    shown = MilestoneSerializer
    write_roles = OPERATORS

    @extend_schema(
        operation_id="staff_vesting_allocations_milestone",
        parameters=[KEY_PARAMETER],
        request=MilestoneAskSerializer,
        responses={201: MilestoneSerializer, **_REFUSALS},
    )
    def post(self, request: Request, allocation_id: UUID) -> Response:
        """Say that an event has happened that tokens of this allocation wait for; another person approves it.

        400 `happened_in_future`; 409 `nothing_waits`, `milestone_open`.
        """
        return self.once(
            request,
            f"POST /api/v1/staff/vesting/allocations/{allocation_id}/milestones/",
            MilestoneAskSerializer,
            lambda member, target, fields: milestone_ask(
                allocation_id=allocation_id, asked_by_id=member.id, milestone_id=target, **fields
            ),
            status=201,
        )


class MilestoneApproveView(OnceView):
    """Approval."""

    shown = MilestoneSerializer
    write_roles = APPROVERS

    @extend_schema(
        operation_id="staff_vesting_milestones_approve",
        parameters=[KEY_PARAMETER],
        request=DecisionSerializer,
        responses={200: MilestoneSerializer, **_REFUSALS},
    )
    def post(self, request: Request, milestone_id: UUID) -> Response:
        """Agree as a second person: what waits for the event vests now, and there is no way back.

        403 `second_person_needed`: you asked for it; 409 `milestone_decided`, `nothing_waits`.
        """
        return self.once(
            request,
            f"POST /api/v1/staff/vesting/milestones/{milestone_id}/approve/",
            DecisionSerializer,
            lambda member, _target, fields: milestone_approve(
                milestone_id=milestone_id, decided_by_id=member.id, **fields
            ),
        )


class MilestoneDeclineView(OnceView):
    """Refusal."""

    shown = MilestoneSerializer
    write_roles = APPROVERS

    @extend_schema(
        operation_id="staff_vesting_milestones_decline",
        parameters=[KEY_PARAMETER],
        request=DecisionSerializer,
        responses={200: MilestoneSerializer, **_REFUSALS},
    )
    def post(self, request: Request, milestone_id: UUID) -> Response:
        """Decline it; the tokens go on waiting. 409 `milestone_decided`."""
        return self.once(
            request,
            f"POST /api/v1/staff/vesting/milestones/{milestone_id}/decline/",
            DecisionSerializer,
            lambda member, _target, fields: milestone_decline(
                milestone_id=milestone_id, decided_by_id=member.id, **fields
            ),
        )
