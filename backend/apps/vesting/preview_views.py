"""A preview of terms for staff."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import STAFF, MemberView
from apps.core.shapes import PROBLEM
from apps.vesting.preview import terms_preview
from apps.vesting.preview_serializers import PreviewRequestSerializer, PreviewSerializer, preview_document


class PolicyPreviewView(MemberView):
    """What terms would make of an amount. It reads only: POST because terms are too long for an address."""

    read_roles = STAFF
    write_roles = STAFF  # it is a POST by its length only

    @extend_schema(
        operation_id="staff_vesting_policies_preview",
        request=PreviewRequestSerializer,
        responses={200: PreviewSerializer, 400: PROBLEM, 403: PROBLEM, 404: PROBLEM},
    )
    def post(self, request: Request) -> Response:
        """Every date and amount (at most 10,000) and the curve; nothing is saved. 404 `unknown_asset`.

        What is wrong with the terms is refused as when a policy is made of them.
        """
        asked = PreviewRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with self.reading():
            return Response(preview_document(terms_preview(**asked.validated_data)))
