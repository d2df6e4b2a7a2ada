"""Joining a site and reading one's place in it, and the members that staff see."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import APPROVERS, STAFF, MemberView
from apps.accounts.models import Role
from apps.accounts.queries import active_wallet, members_of_site
from apps.accounts.serializers import (
    MemberFilterSerializer,
    MemberSerializer,
    MeSerializer,
    RoleRequestSerializer,
    me_document,
)
from apps.accounts.services import member_join, member_role_set
from apps.core.context import acting_as
from apps.core.ids import uuid7
from apps.core.paging import KeysetPagination
from apps.sites.scope import site_scope

_PROBLEM = OpenApiResponse(description="A problem document (RFC 9457); `code` says which.")


class MeView(MemberView):
    """The caller in this site."""

    newcomer_methods = frozenset({"POST"})

    @extend_schema(operation_id="me_read", responses={200: MeSerializer, 404: _PROBLEM})
    def get(self, request: Request) -> Response:
        """Who you are in this site, in which role, with which wallet. 404 when you are not a member."""
        with self.reading() as member:
            return Response(me_document(member, active_wallet(member_id=member.id)))

    @extend_schema(
        operation_id="me_join",
        request=None,
        responses={200: MeSerializer, 201: MeSerializer, 403: _PROBLEM},
    )
    def post(self, request: Request) -> Response:
        """Join this site as a buyer: 201, or 200 when you are a member already.

        403 `registration_closed`, `identity_inactive`, `membership_inactive`.
        """
        member_id = uuid7()
        with acting_as("user", str(member_id)):
            member, is_new = member_join(subject=str(request.user.pk), member_id=member_id)
        with site_scope():
            body = me_document(member, active_wallet(member_id=member.id))
        return Response(body, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)


class StaffMembersView(MemberView):
    """Everybody in the site, for staff."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    # Ids are time-ordered, so this is the order of joining, on the unique index that (site, id) has anyway.
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_members_list",
        parameters=[
            OpenApiParameter("role", str, enum=Role.values, description="Only members with this role.")
        ],
        responses=MemberSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """The members of this site, the newest first."""
        wanted = MemberFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        role = wanted.validated_data.get("role")
        with self.reading():
            page = KeysetPagination()
            members = members_of_site(role=Role(role) if role else None)
            rows = page.paginate_queryset(members, request, self)
            return page.get_paginated_response(MemberSerializer(rows, many=True).data)


class StaffMemberRoleView(MemberView):
    """One member's role."""

    write_roles = APPROVERS

    @extend_schema(
        operation_id="staff_members_set_role",
        request=RoleRequestSerializer,
        responses={200: MemberSerializer, 400: _PROBLEM, 403: _PROBLEM, 404: _PROBLEM},
    )
    def post(self, request: Request, member_id: UUID) -> Response:
        """Give a member another role. Approvers only, and never their own: 403 `own_role`."""
        asked = RoleRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        role = Role(asked.validated_data["role"])
        with self.writing() as approver:
            member = member_role_set(member_id=member_id, role=role, by_member_id=approver.id)
        return Response(MemberSerializer(member).data)
