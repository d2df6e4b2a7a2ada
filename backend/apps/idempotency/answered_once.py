"""A request with an Idempotency-Key whose whole effect fits into one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from rest_framework.response import Response

from apps.core.ids import uuid7
from apps.idempotency.header import HEADER, REPLAYED_HEADER, IdempotencyRequest
from apps.idempotency.services import idempotency_claim, idempotency_complete
from apps.sites.scope import site_scope

Effect = Callable[[UUID], tuple[int, dict[str, Any]]]

KEY_PARAMETER = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="A new random value for each intent; a repeat with the same body gets the first answer.",
)


def answered_once(request: IdempotencyRequest, effect: Effect) -> Response:
    """ENTRY: claim the key, run ``effect(target id)``, store its (status, body): all or nothing.

    A Problem raised by the effect takes the claim back with it, so that a repeat is judged anew. A replay carries
    the header Idempotency-Replayed. Raises what idempotency_claim raises.
    """
    with site_scope():
        claim = idempotency_claim(request=request, target_id=uuid7())
        if claim.stored is not None:
            replayed = {REPLAYED_HEADER: "true"}
            return Response(claim.stored.body, status=claim.stored.status, headers=replayed)
        status, body = effect(claim.target_id)
        idempotency_complete(claim_id=claim.id, status=status, body=body)
    return Response(body, status=status)
