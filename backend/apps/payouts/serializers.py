"""Shapes of the payout endpoints."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.amounts import format_base_units
from apps.core.shapes import StrictSerializer, base_units_text, sent_like
from apps.payouts.hold_reasons import hold_reason
from apps.payouts.models import AttemptStatus, BatchRule, BatchStatus, Payout, PayoutBatch, PayoutStatus


class BatchSerializer(serializers.Serializer[Any]):
    """A batch; approve it by sending back its ``plan_sha256``."""

    id = serializers.UUIDField(read_only=True)
    asset_id = serializers.UUIDField(read_only=True)
    asset_code = serializers.CharField(source="asset.code", read_only=True)
    status = serializers.ChoiceField(choices=BatchStatus.choices, read_only=True)
    rule = serializers.ChoiceField(choices=BatchRule.choices, read_only=True)
    plan_sha256 = serializers.CharField(read_only=True, help_text="Covers every address and amount.")
    total_tokens = serializers.SerializerMethodField(help_text="Whole tokens.")
    total_base_units = base_units_text()
    payout_count = serializers.IntegerField(read_only=True)
    requested_by_id = serializers.UUIDField(read_only=True)
    decided_by_id = serializers.UUIDField(read_only=True, allow_null=True)
    decided_at = serializers.DateTimeField(read_only=True, allow_null=True)
    reason = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)

    def get_total_tokens(self, batch: PayoutBatch) -> str:
        return format_base_units(batch.total_base_units, batch.asset.decimals)


class AttemptSerializer(serializers.Serializer[Any]):
    """One submission to the custody provider."""

    id = serializers.UUIDField(read_only=True)
    number = serializers.IntegerField(read_only=True)
    external_id = serializers.CharField(read_only=True, help_text="The provider knows it by this id.")
    status = serializers.ChoiceField(choices=AttemptStatus.choices, read_only=True)
    sends = serializers.IntegerField(read_only=True, help_text="Times sent, always under the same id.")
    last_sent_at = serializers.DateTimeField(read_only=True, allow_null=True)
    provider_transfer_id = serializers.CharField(read_only=True)
    raw_status = serializers.CharField(read_only=True)
    sub_status = serializers.CharField(read_only=True)
    tx_hash = serializers.CharField(read_only=True)
    error_code = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True, allow_null=True)


class PayoutSerializer(serializers.Serializer[Any]):
    """One amount to one address, and what became of it. Its context has ``attempts`` by payout."""

    id = serializers.UUIDField(read_only=True)
    to_address = serializers.CharField(read_only=True)
    amount_tokens = serializers.SerializerMethodField(help_text="Whole tokens.")
    amount_base_units = base_units_text()
    status = serializers.ChoiceField(choices=PayoutStatus.choices, read_only=True)
    hold_code = serializers.CharField(read_only=True, help_text="Why a person has to look.")
    hold_reason = serializers.SerializerMethodField(help_text="The same in words.")
    tx_hash = serializers.CharField(read_only=True)
    next_attempt_at = serializers.DateTimeField(read_only=True, allow_null=True)
    settled_at = serializers.DateTimeField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    attempts = serializers.SerializerMethodField()

    def get_amount_tokens(self, payout: Payout) -> str:
        return format_base_units(payout.amount_base_units, payout.asset.decimals)

    def get_hold_reason(self, payout: Payout) -> str:
        return hold_reason(payout.hold_code)

    def get_attempts(self, payout: Payout) -> AttemptSerializer(many=True):  # type: ignore[valid-type]
        return AttemptSerializer(self.context["attempts"][payout.id], many=True).data


class BatchFilterSerializer(serializers.Serializer[Any]):
    """Filters of the batch list."""

    status = serializers.ChoiceField(choices=BatchStatus.choices, required=False)


@sent_like("The plan that was looked at", {"plan_sha256": "9f" * 32})
class ApprovalSerializer(StrictSerializer):
    """What an approver has looked at."""

    plan_sha256 = serializers.RegexField(r"^[0-9a-f]{64}\Z", help_text="The batch's, as it was shown.")


@sent_like("Not like this", {"reason": "The second address is an exchange"})
class RejectionSerializer(StrictSerializer):
    """Why a batch is rejected."""

    reason = serializers.CharField(max_length=500)
