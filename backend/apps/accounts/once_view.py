"""A member's writes that carry an Idempotency-Key and whose whole effect fits into one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Model
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import MemberView
from apps.accounts.models import Membership
from apps.idempotency.answered_once import answered_once
from apps.idempotency.header import idempotency_request

Deed = Callable[[Membership, UUID, dict[str, Any]], Model]


class OnceView(MemberView):
    """One write for each key, answered with the row as it is then, in the shape of ``shown``."""

    shown: ClassVar[type[serializers.BaseSerializer[Any]]]

    def once(
        self,
        request: Request,
        operation: str,
        shape: type[serializers.Serializer[Any]],
        deed: Deed,
        status: int = 200,
    ) -> Response:
        """Run ``deed(member, target id, fields)``; ``shape`` reads the fields, before anything is claimed."""
        claimed = idempotency_request(request, operation)
        asked = shape(data=request.data)
        asked.is_valid(raise_exception=True)
        with self.writing() as member:
            fields = asked.validated_data
            return answered_once(
                claimed, lambda target: (status, dict(self.shown(deed(member, target, fields)).data))
            )
