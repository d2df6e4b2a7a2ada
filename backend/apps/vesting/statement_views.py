"""Statements: a beneficiary's own, and any member's for staff, as document, page and curve; one instant, same bytes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from apps.accounts.member_view import STAFF, MemberView
from apps.accounts.queries import is_member
from apps.core.problems import Problem
from apps.core.shapes import PROBLEM
from apps.sites.services import asset_code_of
from apps.vesting.curve_drawing import draw_svg
from apps.vesting.curve_image import draw_png
from apps.vesting.statement_curves import picture_of
from apps.vesting.statement_document import csv_bytes, json_bytes
from apps.vesting.statement_page import page_response
from apps.vesting.statements import statement_of

AS_OF = OpenApiParameter(
    "as_of", OpenApiTypes.DATETIME, description="At least 60 seconds back; left out: the last midnight, UTC."
)
SHAPE = OpenApiParameter("shape", str, enum=["json", "csv", "html"], description="Left out: json.")
IMAGE = OpenApiParameter("shape", str, enum=["svg", "png"], description="Left out: svg.")
ASSET_ID = OpenApiParameter("asset_id", OpenApiTypes.UUID, description="Left out: the first asset by code.")
_ANSWERS: dict[Any, Any] = {
    (200, "application/json"): OpenApiTypes.OBJECT,
    (200, "text/csv"): OpenApiTypes.STR,
    (200, "text/html"): OpenApiTypes.STR,
    400: PROBLEM,
}
_IMAGES: dict[Any, Any] = {
    (200, "image/svg+xml"): OpenApiTypes.STR,
    (200, "image/png"): OpenApiTypes.BINARY,
    400: PROBLEM,
    404: PROBLEM,
}
_STAFF_ONLY: dict[Any, Any] = {403: PROBLEM, 404: PROBLEM}


class StatementRequestSerializer(serializers.Serializer[Any]):
    """As of when, and in which form."""

    as_of = serializers.DateTimeField(required=False)
    shape = serializers.ChoiceField(choices=["json", "csv", "html"], default="json")


class CurveRequestSerializer(serializers.Serializer[Any]):
    """As of when, of which asset, and as which kind of image."""

    as_of = serializers.DateTimeField(required=False)
    asset_id = serializers.UUIDField(required=False)
    shape = serializers.ChoiceField(choices=["svg", "png"], default="svg")


class ShapeDecides(DefaultContentNegotiation):
    """``shape`` says what comes; an image's or a page's Accept header is no reason for a 406."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class _Shaped(MemberView):
    content_negotiation_class = ShapeDecides


class StatementView(_Shaped):
    """The caller's statement."""

    @extend_schema(operation_id="vesting_statement_read", parameters=[AS_OF, SHAPE], responses=_ANSWERS)
    def get(self, request: Request) -> HttpResponse:
        """What you had at an instant: granted, vested, unlocked, in flight, released with hashes, revoked.

        The same instant always gives the same bytes, with their hash on them. 400 `instant_not_settled`.
        """
        as_of, shape = _wanted(request)
        with self.reading() as member:
            return _answer(member.id, as_of, shape)


class StatementCurveView(_Shaped):
    """The caller's curves."""

    @extend_schema(
        operation_id="vesting_statement_curve_read",
        parameters=[AS_OF, ASSET_ID, IMAGE],
        responses=_IMAGES,
    )
    def get(self, request: Request) -> HttpResponse:
        """What was vested, unlocked and released over time, as an image that bears the statement's hash.

        The same instant always gives the same bytes. 400 `instant_not_settled`, 404 when there is no such asset.
        """
        asked = _curve_wanted(request)
        with self.reading() as member:
            return _curve(member.id, asked)


class StaffStatementView(_Shaped):
    """A member's statement."""

    read_roles = STAFF

    @extend_schema(
        operation_id="staff_vesting_statement_read",
        parameters=[AS_OF, SHAPE],
        responses={**_ANSWERS, **_STAFF_ONLY},
    )
    def get(self, request: Request, member_id: UUID) -> HttpResponse:
        """What a member of this site had at an instant, as they see it themselves. 400 `instant_not_settled`."""
        as_of, shape = _wanted(request)
        with self.reading():
            _check_member(member_id)
            return _answer(member_id, as_of, shape)


class StaffStatementCurveView(_Shaped):
    """A member's curves."""

    read_roles = STAFF

    @extend_schema(
        operation_id="staff_vesting_statement_curve_read",
        parameters=[AS_OF, ASSET_ID, IMAGE],
        responses={**_IMAGES, **_STAFF_ONLY},
    )
    def get(self, request: Request, member_id: UUID) -> HttpResponse:
        """A member's tokens over time, as they see it themselves. 400 `instant_not_settled`."""
        asked = _curve_wanted(request)
        with self.reading():
            _check_member(member_id)
            return _curve(member_id, asked)


def _check_member(member_id: UUID) -> None:
    if not is_member(member_id=member_id):
        raise Problem("not_found", 404, _("There is no such member."))


def _curve_wanted(request: Request) -> dict[str, Any]:
    asked = CurveRequestSerializer(data=request.query_params)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _wanted(request: Request) -> tuple[datetime | None, str]:
    asked = StatementRequestSerializer(data=request.query_params)
    asked.is_valid(raise_exception=True)
    return cast("datetime | None", asked.validated_data.get("as_of")), str(asked.validated_data["shape"])


def _answer(member_id: UUID, as_of: datetime | None, shape: str) -> HttpResponse:
    statement = statement_of(beneficiary_id=member_id, as_of=as_of)
    if shape == "csv":
        return HttpResponse(csv_bytes(statement), content_type="text/csv; charset=utf-8")
    if shape == "html":
        return page_response(statement)
    return HttpResponse(json_bytes(statement), content_type="application/json")


def _curve(member_id: UUID, asked: dict[str, Any]) -> HttpResponse:
    statement = statement_of(beneficiary_id=member_id, as_of=asked.get("as_of"))
    asset_id = asked.get("asset_id")
    picture = picture_of(statement, asset_code=asset_id and asset_code_of(asset_id=asset_id))
    if asked["shape"] == "png":
        return HttpResponse(draw_png(picture), content_type="image/png")
    return HttpResponse(draw_svg(picture), content_type="image/svg+xml; charset=utf-8")
