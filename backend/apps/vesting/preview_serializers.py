"""Shapes of a preview of terms."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.amounts import format_base_units
from apps.core.shapes import BaseUnitsText, UuidText, base_units_text, sent_like
from apps.vesting.preview import Preview
from apps.vesting.serializers import TermsRequestSerializer


@sent_like(
    "48 months with a cliff of a year",
    {
        "amount_base_units": "100000",
        "starts_at": "2027-01-01T00:00:00Z",
        "terms": {
            "version": 2,
            "time_zone": "Asia/Taipei",
            "vesting": {
                "segments": [
                    {
                        "kind": "calendar",
                        "share": "rest",
                        "parts": 48,
                        "period": {"count": 1, "unit": "month"},
                        "cliff": {"after": {"count": 12, "unit": "month"}, "pays": "accrued"},
                    }
                ]
            },
        },
    },
)
class PreviewRequestSerializer(TermsRequestSerializer):
    """An amount and terms. ``starts_at`` null: as if paid now. With ``asset_id`` amounts come in whole tokens too."""

    amount_base_units = BaseUnitsText(help_text="Base units, as text.")
    asset_id = UuidText(required=False, allow_null=True)


class PreviewPartSerializer(serializers.Serializer[Any]):
    """One release that would be made."""

    number = serializers.IntegerField(read_only=True, help_text="0 is paid at the start.")
    unlock_at = serializers.DateTimeField(
        read_only=True, help_text="9999-12-31 for what waits for a milestone."
    )
    milestone = serializers.CharField(read_only=True, help_text="The event that it waits for, or empty.")
    amount_base_units = base_units_text()
    amount_tokens = serializers.CharField(read_only=True, allow_null=True, help_text="Null without an asset.")
    sum_base_units = base_units_text()


class CurvePointSerializer(serializers.Serializer[Any]):
    """What is payable at an instant. Straight between two points; a step is two of one instant."""

    at = serializers.DateTimeField(read_only=True)
    base_units = base_units_text()


class PreviewSerializer(serializers.Serializer[Any]):
    """What these terms make of this amount. Nothing was saved."""

    amount_base_units = base_units_text()
    starts_at = serializers.DateTimeField(read_only=True)
    is_continuous = serializers.BooleanField(
        read_only=True, help_text="It accrues by the second: there is a curve and no list of parts."
    )
    parts = PreviewPartSerializer(many=True)
    curve = CurvePointSerializer(many=True)


def preview_document(preview: Preview) -> dict[str, Any]:
    """The shape of PreviewSerializer."""
    parts, so_far = [], 0
    for part in preview.parts:
        so_far += part.amount_base_units
        tokens = preview.asset and format_base_units(part.amount_base_units, preview.asset.decimals)
        parts.append(
            {
                "number": part.index,
                "unlock_at": part.unlock_at,
                "milestone": part.milestone,
                "amount_base_units": str(part.amount_base_units),
                "amount_tokens": tokens,
                "sum_base_units": str(so_far),
            }
        )
    return {
        "amount_base_units": str(preview.amount_base_units),
        "starts_at": preview.start_at,
        "is_continuous": preview.is_continuous,
        "parts": parts,
        "curve": [{"at": at, "base_units": str(amount)} for at, amount in preview.curve],
    }
