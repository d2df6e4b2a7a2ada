"""The public catalogue of a site."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import PublicSiteView
from apps.core.paging import KeysetPagination
from apps.core.problems import Problem
from apps.core.shapes import PROBLEM
from apps.sites.scope import site_scope
from apps.tiers.queries import tier_on_show, tiers_on_show
from apps.tiers.serializers import TierSerializer


class TiersView(PublicSiteView):
    """What this site sells."""

    pagination_class = KeysetPagination
    # Ids are time-ordered, so this is the order of making, on the unique index of (site, id).
    keyset = ("-id",)

    @extend_schema(operation_id="tiers_list", responses={200: TierSerializer(many=True), 400: PROBLEM})
    def get(self, request: Request) -> Response:
        """The tiers of this site, the newest first. No token is needed."""
        with site_scope():
            page = KeysetPagination()
            rows = page.paginate_queryset(tiers_on_show(), request, self)
            return page.get_paginated_response(TierSerializer(rows, many=True).data)


class TierView(PublicSiteView):
    """One tier."""

    @extend_schema(operation_id="tiers_read", responses={200: TierSerializer, 404: PROBLEM})
    def get(self, request: Request, tier_id: UUID) -> Response:
        """One tier of this site. No token is needed. 404 `unknown_tier`."""
        with site_scope():
            tier = tier_on_show(tier_id=tier_id)
            if tier is None:
                raise Problem("unknown_tier", 404, _("There is no such tier."))
            return Response(TierSerializer(tier).data)
