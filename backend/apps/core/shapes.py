"""Strict shapes of what comes in, and amounts as text on the way out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema_serializer
from rest_framework import serializers

from apps.core.amounts import UINT256_MAX

Shape = TypeVar("Shape", bound=serializers.Serializer[Any])
PROBLEM = OpenApiResponse(description="A problem document (RFC 9457); `code` says which.")
UNKNOWN_SHOWN = 20
EXAMPLE_ID = "01a1f7d2-7c3b-7cc0-a1d5-c0de2b8e9f10"


def sent_like(name: str, value: dict[str, Any]) -> Callable[[type[Shape]], type[Shape]]:
    """Decorates a request's serializer with an example for the OpenAPI document."""
    return extend_schema_serializer(examples=[OpenApiExample(name, value=value, request_only=True)])


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses unknown fields: a misspelt limit or id list must not be dropped in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(map(str, data.keys() - self.fields.keys()))):
            refusal = [serializers.ErrorDetail(_("Unknown field."), code="unknown")]
            raise serializers.ValidationError({name[:64]: refusal for name in unknown[:UNKNOWN_SHOWN]})
        return super().to_internal_value(data)


class UuidText(serializers.UUIDField):
    """A UUID as text: REST framework's own takes numbers too, and true is one of them."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class WholeNumber(serializers.IntegerField):
    """A JSON integer: REST framework's own takes "5" and 5.0 too."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class BaseUnitsText(serializers.CharField):
    """A positive whole number of base units as text: a JSON number above 2**53 changes in many hands."""

    def to_internal_value(self, data: Any) -> int:  # type: ignore[override]
        text = data if isinstance(data, str) else ""
        if not re.fullmatch(r"[0-9]{1,78}", text) or not 1 <= int(text) <= UINT256_MAX:
            raise serializers.ValidationError(
                _("A whole number of base units as text, from 1 to 2^256 - 1."), code="not_whole"
            )
        return int(text)


@sent_like("Looked at too", {"note": "The contract says so"})
class DecisionSerializer(StrictSerializer):
    """What the second person looked at, or why it is not done."""

    note = serializers.CharField(max_length=500)


def base_units_text(**options: Any) -> serializers.CharField:
    """Base units as text: a JSON number of 78 digits becomes a float in most readers."""
    return serializers.CharField(read_only=True, help_text="Base units of the asset.", **options)
