"""Shapes of decisions about held payouts."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.shapes import StrictSerializer, sent_like
from apps.payouts.resolution_models import ResolutionAction, ResolutionState

TX_HASH = r"^0x[0-9a-fA-F]{64}\Z"


class ResolutionSerializer(serializers.Serializer[Any]):
    """One action on one held payout: who asked, who decided, and what came of it."""

    id = serializers.UUIDField(read_only=True)
    payout_id = serializers.UUIDField(read_only=True)
    action = serializers.ChoiceField(choices=ResolutionAction.choices, read_only=True)
    state = serializers.ChoiceField(choices=ResolutionState.choices, read_only=True)
    hold_code = serializers.CharField(read_only=True, help_text="Why the payout was held when it was asked.")
    note = serializers.CharField(read_only=True)
    tx_hash = serializers.CharField(read_only=True)
    asked_by_id = serializers.UUIDField(read_only=True)
    decided_by_id = serializers.UUIDField(read_only=True, allow_null=True)
    decided_at = serializers.DateTimeField(read_only=True, allow_null=True)
    decision_note = serializers.CharField(read_only=True)
    result = serializers.CharField(
        read_only=True, help_text="The payout's state afterwards, or why it was not possible."
    )
    created_at = serializers.DateTimeField(read_only=True)


@sent_like(
    "Sent after all", {"action": "settle", "note": "Seen on chain, ticket 812", "tx_hash": "0x" + "4e" * 32}
)
class ResolutionAskSerializer(StrictSerializer):
    """What is asked for, and why; `settle` needs the transaction that moved the tokens."""

    action = serializers.ChoiceField(choices=ResolutionAction.choices)
    note = serializers.CharField(max_length=1000, help_text="The reason, and where its evidence is.")
    tx_hash = serializers.RegexField(TX_HASH, required=False, help_text="Evidence of `settle` only.")


class ResolutionFilterSerializer(serializers.Serializer[Any]):
    """Filters of the list."""

    state = serializers.ChoiceField(choices=ResolutionState.choices, required=False)
