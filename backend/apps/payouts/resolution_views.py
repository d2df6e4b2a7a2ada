"""Held payouts for staff: finding them, asking for an action, and deciding as a second person."""

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
from apps.payouts.queries import attempts_of_payouts, payouts_held, resolutions_of_site
from apps.payouts.resolution_models import ResolutionState
from apps.payouts.resolution_serializers import (
    ResolutionAskSerializer,
    ResolutionFilterSerializer,
    ResolutionSerializer,
)
from apps.payouts.resolutions import resolution_approve, resolution_ask, resolution_decline
from apps.payouts.serializers import PayoutSerializer

_REFUSALS = {400: PROBLEM, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM, 422: PROBLEM}


class HeldPayoutsView(MemberView):
    """Payouts that wait for a person."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    keyset = ("id",)

    @extend_schema(
        operation_id="staff_held_payouts_list",
        responses={200: PayoutSerializer(many=True), 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """The payouts of this site that are held, the oldest first, with the reason and their attempts."""
        with self.reading():
            page = KeysetPagination()
            rows = page.paginate_queryset(payouts_held(), request, self)
            attempts = attempts_of_payouts(payout_ids=[row.id for row in rows])
            shown = PayoutSerializer(rows, many=True, context={"attempts": attempts})
            return page.get_paginated_response(shown.data)


class ResolutionsView(MemberView):
    """What was asked and decided."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    # Ids are time-ordered.
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_payout_resolutions_list",
        parameters=[
            OpenApiParameter(
                "state", str, enum=ResolutionState.values, description="Only those in this state."
            )
        ],
        responses={200: ResolutionSerializer(many=True), 400: PROBLEM, 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """Actions on held payouts of this site, the newest first."""
        wanted = ResolutionFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        with self.reading():
            page = KeysetPagination()
            found = resolutions_of_site(state=wanted.validated_data.get("state"))
            rows = page.paginate_queryset(found, request, self)
            return page.get_paginated_response(ResolutionSerializer(rows, many=True).data)


class ResolutionAskView(OnceView):
    """Asking."""

    shown = ResolutionSerializer
    write_roles = OPERATORS

    @extend_schema(
        operation_id="staff_held_payouts_resolve",
        parameters=[KEY_PARAMETER],
        request=ResolutionAskSerializer,
        responses={201: ResolutionSerializer, **_REFUSALS},
    )
    def post(self, request: Request, payout_id: UUID) -> Response:
        """Ask for an action on a held payout; nothing happens before another person approves it.

        `ask_again` asks the provider; `settle` marks it paid by the transaction named as evidence; `release` makes
        its releases payable again, once the provider shows that nothing can move any more. 409 `payout_not_held`,
        `resolution_open`, `evidence_used`; 400 `evidence_missing`.
        """
        return self.once(
            request,
            f"POST /api/v1/staff/held-payouts/{payout_id}/resolutions/",
            ResolutionAskSerializer,
            lambda member, target, fields: resolution_ask(
                payout_id=payout_id, asked_by_id=member.id, resolution_id=target, **fields
            ),
            status=201,
        )


class ResolutionApproveView(OnceView):
    """Approval."""

    shown = ResolutionSerializer
    write_roles = APPROVERS

    @extend_schema(
        operation_id="staff_payout_resolutions_approve",
        parameters=[KEY_PARAMETER],
        request=DecisionSerializer,
        responses={200: ResolutionSerializer, **_REFUSALS},
    )
    def post(self, request: Request, resolution_id: UUID) -> Response:
        """Agree as a second person. Evidence settles at once; the other actions are a worker's, within moments.

        403 `second_person_needed`: you asked for it; 409 `resolution_decided`, `payout_not_held`, `hold_changed`.
        """
        return self.once(
            request,
            f"POST /api/v1/staff/payout-resolutions/{resolution_id}/approve/",
            DecisionSerializer,
            lambda member, _target, fields: resolution_approve(
                resolution_id=resolution_id, decided_by_id=member.id, **fields
            ),
        )


class ResolutionDeclineView(OnceView):
    """Refusal."""

    shown = ResolutionSerializer
    write_roles = APPROVERS

    @extend_schema(
        operation_id="staff_payout_resolutions_decline",
        parameters=[KEY_PARAMETER],
        request=DecisionSerializer,
        responses={200: ResolutionSerializer, **_REFUSALS},
    )
    def post(self, request: Request, resolution_id: UUID) -> Response:
        """Decline what was asked for; the payout stays held. 409 `resolution_decided`, `payout_not_held`."""
        return self.once(
            request,
            f"POST /api/v1/staff/payout-resolutions/{resolution_id}/decline/",
            DecisionSerializer,
            lambda member, _target, fields: resolution_decline(
                resolution_id=resolution_id, decided_by_id=member.id, **fields
            ),
        )
