"""Payout batches for staff: reading them, and deciding about them. Making one is the vesting room's."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import APPROVERS, STAFF, MemberView
from apps.accounts.once_view import OnceView
from apps.core.paging import KeysetPagination
from apps.core.problems import Problem
from apps.core.shapes import PROBLEM
from apps.idempotency.answered_once import KEY_PARAMETER
from apps.payouts.batches import batch_approve, batch_reject
from apps.payouts.models import BatchStatus, PayoutBatch
from apps.payouts.queries import attempts_of_payouts, batch_of_site, batches_of_site, payouts_of_batch
from apps.payouts.serializers import (
    ApprovalSerializer,
    BatchFilterSerializer,
    BatchSerializer,
    PayoutSerializer,
    RejectionSerializer,
)

_REFUSALS = {400: PROBLEM, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM, 422: PROBLEM}


class BatchListView(MemberView):
    """The batches of the site."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    # Ids are time-ordered.
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_payout_batches_list",
        parameters=[
            OpenApiParameter(
                "status", str, enum=BatchStatus.values, description="Only batches in this state."
            )
        ],
        responses={200: BatchSerializer(many=True), 400: PROBLEM, 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """The payout batches of this site, the newest first."""
        wanted = BatchFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        with self.reading():
            page = KeysetPagination()
            batches = batches_of_site(status=wanted.validated_data.get("status"))
            rows = page.paginate_queryset(batches, request, self)
            return page.get_paginated_response(BatchSerializer(rows, many=True).data)


class BatchView(MemberView):
    """One batch."""

    read_roles = STAFF

    @extend_schema(
        operation_id="staff_payout_batches_read",
        responses={200: BatchSerializer, 403: PROBLEM, 404: PROBLEM},
    )
    def get(self, _request: Request, batch_id: UUID) -> Response:
        """A batch with the plan hash that an approval has to name."""
        with self.reading():
            return Response(BatchSerializer(_batch(batch_id)).data)


class BatchPayoutsView(MemberView):
    """The payouts of one batch."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    keyset = ("id",)

    @extend_schema(
        operation_id="staff_payout_batches_payouts",
        responses={200: PayoutSerializer(many=True), 403: PROBLEM, 404: PROBLEM},
    )
    def get(self, request: Request, batch_id: UUID) -> Response:
        """A batch's payouts with their attempts."""
        with self.reading():
            _batch(batch_id)
            page = KeysetPagination()
            rows = page.paginate_queryset(payouts_of_batch(batch_id=batch_id), request, self)
            attempts = attempts_of_payouts(payout_ids=[row.id for row in rows])
            shown = PayoutSerializer(rows, many=True, context={"attempts": attempts})
            return page.get_paginated_response(shown.data)


class BatchApproveView(OnceView):
    """Approval."""

    shown = BatchSerializer
    write_roles = APPROVERS

    @extend_schema(
        operation_id="staff_payout_batches_approve",
        parameters=[KEY_PARAMETER],
        request=ApprovalSerializer,
        responses={200: BatchSerializer, **_REFUSALS},
    )
    def post(self, request: Request, batch_id: UUID) -> Response:
        """Approve exactly the plan that you looked at; its payouts are then sent.

        403 `second_person_needed`: you requested it; 409 `plan_changed`, `batch_decided`.
        """
        return self.once(
            request,
            f"POST /api/v1/staff/payout-batches/{batch_id}/approve/",
            ApprovalSerializer,
            lambda member, _target, fields: batch_approve(
                batch_id=batch_id, approved_by_id=member.id, **fields
            ),
        )


class BatchRejectView(OnceView):
    """Rejection."""

    shown = BatchSerializer
    write_roles = APPROVERS

    @extend_schema(
        operation_id="staff_payout_batches_reject",
        parameters=[KEY_PARAMETER],
        request=RejectionSerializer,
        responses={200: BatchSerializer, **_REFUSALS},
    )
    def post(self, request: Request, batch_id: UUID) -> Response:
        """Reject a batch that waits; nothing is sent, and its releases are payable again. 409 `batch_decided`."""
        return self.once(
            request,
            f"POST /api/v1/staff/payout-batches/{batch_id}/reject/",
            RejectionSerializer,
            lambda member, _target, fields: batch_reject(
                batch_id=batch_id, rejected_by_id=member.id, **fields
            ),
        )


def _batch(batch_id: UUID) -> PayoutBatch:
    batch = batch_of_site(batch_id=batch_id)
    if batch is None:
        raise Problem("not_found", 404, _("There is no such batch."))
    return batch
