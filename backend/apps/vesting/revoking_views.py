"""Revocations for staff: asking, deciding as a second person, stopping, and the list."""

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
from apps.vesting.parameters import ALLOCATION
from apps.vesting.queries import revocations, revoked_by
from apps.vesting.revoking import (
    revocation_approve,
    revocation_ask,
    revocation_decline,
    revocation_stop,
)
from apps.vesting.revoking_models import RevocationState
from apps.vesting.revoking_serializers import (
    RevocationAskSerializer,
    RevocationFilterSerializer,
    RevocationSerializer,
)

_REFUSALS = {400: PROBLEM, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM, 422: PROBLEM}


class RevocationsView(MemberView):
    """What was revoked, and what will be."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_vesting_revocations_list",
        parameters=[OpenApiParameter("state", str, enum=RevocationState.values), ALLOCATION],
        responses={200: RevocationSerializer(many=True), 400: PROBLEM, 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """The revocations of this site, the newest first; `state=asked` are those that wait for an approver."""
        wanted = RevocationFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        with self.reading():
            page = KeysetPagination()
            rows = page.paginate_queryset(revocations(**wanted.validated_data), request, self)
            revoked = revoked_by(revocation_ids=[row.id for row in rows])
            shown = RevocationSerializer(rows, many=True, context={"revoked": revoked})
            return page.get_paginated_response(shown.data)


class RevocationAskView(OnceView):
    """Asking."""

    shown = RevocationSerializer
    write_roles = OPERATORS

    @extend_schema(
        operation_id="staff_vesting_revocations_create",
        parameters=[KEY_PARAMETER],
        request=RevocationAskSerializer,
        responses={201: RevocationSerializer, **_REFUSALS},
    )
    def post(self, request: Request, allocation_id: UUID) -> Response:
        """Revoke what is not vested, now or at `effective_at`; or ask for `all`, which another person approves.

        Vested tokens stay payable; `all` takes them too, for cause, unless they are paid out. Transfers under way are
        left to end. 409 `revocation_open`, `nothing_to_revoke`; 400 `effective_in_past`.
        """
        return self.once(
            request,
            f"POST /api/v1/staff/vesting/allocations/{allocation_id}/revocations/",
            RevocationAskSerializer,
            lambda member, target, fields: revocation_ask(
                allocation_id=allocation_id, asked_by_id=member.id, revocation_id=target, **fields
            ),
            status=201,
        )


class RevocationApproveView(OnceView):
    """Approval."""

    shown = RevocationSerializer
    write_roles = APPROVERS

    @extend_schema(
        operation_id="staff_vesting_revocations_approve",
        parameters=[KEY_PARAMETER],
        request=DecisionSerializer,
        responses={200: RevocationSerializer, **_REFUSALS},
    )
    def post(self, request: Request, revocation_id: UUID) -> Response:
        """Agree as a second person to a revocation of all; done at once, or at its `effective_at`.

        403 `second_person_needed`: you asked for it; 409 `revocation_decided`.
        """
        return self.once(
            request,
            f"POST /api/v1/staff/vesting/revocations/{revocation_id}/approve/",
            DecisionSerializer,
            lambda member, _target, fields: revocation_approve(
                revocation_id=revocation_id, decided_by_id=member.id, **fields
            ),
        )


class RevocationDeclineView(OnceView):
    """Refusal."""

    shown = RevocationSerializer
    write_roles = APPROVERS

    @extend_schema(
        operation_id="staff_vesting_revocations_decline",
        parameters=[KEY_PARAMETER],
        request=DecisionSerializer,
        responses={200: RevocationSerializer, **_REFUSALS},
    )
    def post(self, request: Request, revocation_id: UUID) -> Response:
        """Decline a revocation of all. 409 `revocation_decided`."""
        return self.once(
            request,
            f"POST /api/v1/staff/vesting/revocations/{revocation_id}/decline/",
            DecisionSerializer,
            lambda member, _target, fields: revocation_decline(
                revocation_id=revocation_id, decided_by_id=member.id, **fields
            ),
        )


class RevocationStopView(OnceView):
    """Stopping."""

    shown = RevocationSerializer
    write_roles = OPERATORS

    @extend_schema(
        operation_id="staff_vesting_revocations_stop",
        parameters=[KEY_PARAMETER],
        request=DecisionSerializer,
        responses={200: RevocationSerializer, **_REFUSALS},
    )
    def post(self, request: Request, revocation_id: UUID) -> Response:
        """Stop a scheduled revocation before its time has come. 409 `revocation_decided`."""
        return self.once(
            request,
            f"POST /api/v1/staff/vesting/revocations/{revocation_id}/stop/",
            DecisionSerializer,
            lambda member, _target, fields: revocation_stop(
                revocation_id=revocation_id, stopped_by_id=member.id, **fields
            ),
        )
