"""Query parameters of the vesting lists, for the OpenAPI document."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from apps.vesting.models import COUNTED

STATUS = OpenApiParameter("status", str, enum=COUNTED, description="Only releases in this state.")
ALLOCATION = OpenApiParameter("allocation_id", OpenApiTypes.UUID, description="Only this allocation's.")
ASSET = OpenApiParameter("asset_id", OpenApiTypes.UUID, description="Only this asset's.")
BENEFICIARY = OpenApiParameter("beneficiary_id", OpenApiTypes.UUID, description="Only this member's.")
