"""Shapes of receivables and their settlements."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.shapes import BaseUnitsText, StrictSerializer, base_units_text, sent_like
from apps.vesting.models import Receivable
from apps.vesting.receivable_models import SettlementKind, SettlementState


class ReceivableSerializer(serializers.Serializer[Any]):
    """Tokens that a beneficiary has although their money went back, and how much of them is still owed."""

    id = serializers.UUIDField(read_only=True)
    allocation_id = serializers.UUIDField(read_only=True)
    beneficiary_id = serializers.UUIDField(source="allocation.beneficiary_id", read_only=True)
    asset_id = serializers.UUIDField(source="allocation.asset_id", read_only=True)
    asset_code = serializers.CharField(source="allocation.asset.code", read_only=True)
    amount_base_units = base_units_text()
    repaid_base_units = base_units_text(source="repaid")
    written_off_base_units = base_units_text(source="written_off")
    waiting_base_units = base_units_text(source="waiting")
    open_base_units = serializers.SerializerMethodField(
        help_text="Base units that are still owed, those that wait for a second person included."
    )
    cause_kind = serializers.CharField(read_only=True, help_text="`refund` or `dispute`.")
    cause_id = serializers.UUIDField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)

    def get_open_base_units(self, row: Receivable) -> str:
        return str(row.amount_base_units - row.repaid - row.written_off)  # type: ignore[attr-defined]  # annotated


class SettlementSerializer(serializers.Serializer[Any]):
    """What was asked about a receivable, and how it was decided."""

    id = serializers.UUIDField(read_only=True)
    receivable_id = serializers.UUIDField(read_only=True)
    kind = serializers.ChoiceField(choices=SettlementKind.choices, read_only=True)
    state = serializers.ChoiceField(choices=SettlementState.choices, read_only=True)
    amount_base_units = base_units_text()
    reference = serializers.CharField(read_only=True)
    note = serializers.CharField(read_only=True)
    asked_by_id = serializers.UUIDField(read_only=True)
    decided_by_id = serializers.UUIDField(read_only=True, allow_null=True)
    decided_at = serializers.DateTimeField(read_only=True, allow_null=True)
    decision_note = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


@sent_like(
    "Paid back on chain",
    {
        "kind": "repaid",
        "amount_base_units": "97500000000000000000",
        "note": "Sent back by the buyer",
        "reference": "0x" + "4e" * 32,
    },
)
class SettlementAskSerializer(StrictSerializer):
    """How much of a receivable is to be settled, how and why; `repaid` needs its evidence."""

    kind = serializers.ChoiceField(choices=SettlementKind.choices)
    amount_base_units = BaseUnitsText(help_text="Base units, as text; at most what is owed.")
    note = serializers.CharField(max_length=1000, help_text="The reason, and where its evidence is.")
    reference = serializers.CharField(
        max_length=200,
        required=False,
        help_text="Evidence of `repaid` only: a transaction hash or reference.",
    )


class SettlementFilterSerializer(serializers.Serializer[Any]):
    """Filters of the list."""

    state = serializers.ChoiceField(choices=SettlementState.choices, required=False)
    receivable_id = serializers.UUIDField(required=False)
