"""Receivables for staff: finding them, asking to settle one, and deciding as a second person."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import APPROVERS, OPERATORS, STAFF, MemberView
from apps.accounts.once_view import OnceView
from apps.core.paging import KeysetPagination
from apps.core.shapes import PROBLEM, DecisionSerializer
from apps.idempotency.answered_once import KEY_PARAMETER
from apps.vesting.receivable_models import SettlementState
from apps.vesting.receivable_queries import receivables, settlements
from apps.vesting.receivable_serializers import (
    ReceivableSerializer,
    SettlementAskSerializer,
    SettlementFilterSerializer,
    SettlementSerializer,
)
from apps.vesting.receivables import settlement_approve, settlement_ask, settlement_decline

_REFUSALS = {400: PROBLEM, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM, 422: PROBLEM}


class ReceivablesView(MemberView):
    """Tokens that are owed back."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    # Ids are time-ordered.
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_receivables_list",
        responses={200: ReceivableSerializer(many=True), 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """The receivables of this site, the newest first, with what was paid back and written off of each."""
        with self.reading():
            page = KeysetPagination()
            rows = page.paginate_queryset(receivables(), request, self)
            return page.get_paginated_response(ReceivableSerializer(rows, many=True).data)


class SettlementsView(MemberView):
    """What was asked and decided."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_receivable_settlements_list",
        parameters=[
            OpenApiParameter(
                "state", str, enum=SettlementState.values, description="Only those in this state."
            ),
            OpenApiParameter("receivable_id", OpenApiTypes.UUID, description="Only this receivable's."),
        ],
        responses={200: SettlementSerializer(many=True), 400: PROBLEM, 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """Settlements of receivables of this site, the newest first."""
        wanted = SettlementFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        with self.reading():
            page = KeysetPagination()
            rows = page.paginate_queryset(settlements(**wanted.validated_data), request, self)
            return page.get_paginated_response(SettlementSerializer(rows, many=True).data)


class SettlementAskView(OnceView):
    """Asking."""

    shown = SettlementSerializer
    write_roles = OPERATORS

    @extend_schema(
        operation_id="staff_receivables_settle",
        parameters=[KEY_PARAMETER],
        request=SettlementAskSerializer,
        responses={201: SettlementSerializer, **_REFUSALS},
    )
    def post(self, request: Request, receivable_id: UUID) -> Response:
        """Ask to count a part of a receivable, or all, as paid back or written off; another person approves it.

        `repaid` names its evidence in `reference`; `written_off` has its reason in `note`. What waits counts
        already. 409 `more_than_owed`, `evidence_used`; 400 `evidence_missing`, `evidence_unclear`.
        """
        return self.once(
            request,
            f"POST /api/v1/staff/receivables/{receivable_id}/settlements/",
            SettlementAskSerializer,
            lambda member, target, fields: settlement_ask(
                receivable_id=receivable_id, asked_by_id=member.id, settlement_id=target, **fields
            ),
            status=201,
        )


class SettlementApproveView(OnceView):
    """Approval."""

    shown = SettlementSerializer
    write_roles = APPROVERS

    @extend_schema(
        operation_id="staff_receivable_settlements_approve",
        parameters=[KEY_PARAMETER],
        request=DecisionSerializer,
        responses={200: SettlementSerializer, **_REFUSALS},
    )
    def post(self, request: Request, settlement_id: UUID) -> Response:
        """Agree as a second person: that much is owed no longer, and there is no way back.

        403 `second_person_needed`: you asked for it; 409 `settlement_decided`.
        """
        return self.once(
            request,
            f"POST /api/v1/staff/receivable-settlements/{settlement_id}/approve/",
            DecisionSerializer,
            lambda member, _target, fields: settlement_approve(
                settlement_id=settlement_id, decided_by_id=member.id, **fields
            ),
        )


class SettlementDeclineView(OnceView):
    """Refusal."""

    shown = SettlementSerializer
    write_roles = APPROVERS

    @extend_schema(
        operation_id="staff_receivable_settlements_decline",
        parameters=[KEY_PARAMETER],
        request=DecisionSerializer,
        responses={200: SettlementSerializer, **_REFUSALS},
    )
    def post(self, request: Request, settlement_id: UUID) -> Response:
        """Decline what was asked for; the tokens stay owed. 409 `settlement_decided`."""
        return self.once(
            request,
            f"POST /api/v1/staff/receivable-settlements/{settlement_id}/decline/",
            DecisionSerializer,
            lambda member, _target, fields: settlement_decline(
                settlement_id=settlement_id, decided_by_id=member.id, **fields
            ),
        )
