"""Statements: a beneficiary's own, and any member's for staff; JSON or CSV, byte for byte the same for one instant."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from apps.accounts.member_view import STAFF, MemberView
from apps.core.problems import Problem
from apps.core.shapes import PROBLEM
from apps.vesting.queries import is_member
from apps.vesting.statement_document import csv_bytes, json_bytes
from apps.vesting.statements import statement_of

AS_OF = OpenApiParameter(
    "as_of", OpenApiTypes.DATETIME, description="At least 60 seconds back; left out: the last midnight, UTC."
)
SHAPE = OpenApiParameter("shape", str, enum=["json", "csv"], description="Left out: json.")
_ANSWERS: dict[Any, Any] = {
    (200, "application/json"): OpenApiTypes.OBJECT,
    (200, "text/csv"): OpenApiTypes.STR,
    400: PROBLEM,
}


class StatementRequestSerializer(serializers.Serializer[Any]):
    """As of when, and in which form."""

    as_of = serializers.DateTimeField(required=False)
    shape = serializers.ChoiceField(choices=["json", "csv"], default="json")


class StatementView(MemberView):
    """The caller's statement."""

    @extend_schema(operation_id="vesting_statement_read", parameters=[AS_OF, SHAPE], responses=_ANSWERS)
    def get(self, request: Request) -> HttpResponse:
        """What you had at an instant: granted, vested, unlocked, in flight, released with hashes, revoked.

        The same instant always gives the same bytes, with their hash on them. 400 `instant_not_settled`.
        """
        as_of, shape = _wanted(request)
        with self.reading() as member:
            return _answer(member.id, as_of, shape)


class StaffStatementView(MemberView):
    """A member's statement."""

    read_roles = STAFF

    @extend_schema(
        operation_id="staff_vesting_statement_read",
        parameters=[AS_OF, SHAPE],
        responses={**_ANSWERS, 403: PROBLEM, 404: PROBLEM},
    )
    def get(self, request: Request, member_id: UUID) -> HttpResponse:
        """What a member of this site had at an instant, as they see it themselves. 400 `instant_not_settled`."""
        as_of, shape = _wanted(request)
        with self.reading():
            if not is_member(member_id=member_id):
                raise Problem("not_found", 404, _("There is no such member."))
            return _answer(member_id, as_of, shape)


def _wanted(request: Request) -> tuple[datetime | None, str]:
    asked = StatementRequestSerializer(data=request.query_params)
    asked.is_valid(raise_exception=True)
    return cast("datetime | None", asked.validated_data.get("as_of")), str(asked.validated_data["shape"])


def _answer(member_id: UUID, as_of: datetime | None, shape: str) -> HttpResponse:
    statement = statement_of(beneficiary_id=member_id, as_of=as_of)
    if shape == "csv":
        return HttpResponse(csv_bytes(statement), content_type="text/csv; charset=utf-8")
    return HttpResponse(json_bytes(statement), content_type="application/json")
