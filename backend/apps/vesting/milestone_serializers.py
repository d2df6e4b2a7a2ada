"""Shapes of milestones."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.shapes import StrictSerializer, sent_like
from apps.vesting.milestone_models import MilestoneState


class MilestoneSerializer(serializers.Serializer[Any]):
    """The record of one event for one allocation. What waited for it vests at `decided_at`, once it is recorded."""

    id = serializers.UUIDField(read_only=True)
    allocation_id = serializers.UUIDField(read_only=True)
    code = serializers.CharField(read_only=True)
    state = serializers.ChoiceField(choices=MilestoneState.choices, read_only=True)
    happened_at = serializers.DateTimeField(read_only=True)
    evidence = serializers.CharField(read_only=True)
    asked_by_id = serializers.UUIDField(read_only=True)
    decided_by_id = serializers.UUIDField(read_only=True, allow_null=True)
    decided_at = serializers.DateTimeField(read_only=True, allow_null=True)
    decision_note = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


@sent_like(
    "The network is there",
    {
        "code": "mainnet",
        "happened_at": "2026-11-20T12:00:00Z",
        "evidence": "Block 1 is at https://example.com/block/1",
    },
)
class MilestoneAskSerializer(StrictSerializer):
    """Which event has happened, when, and how it can be seen."""

    code = serializers.CharField(max_length=32, help_text="As the terms name it.")
    happened_at = serializers.DateTimeField()
    evidence = serializers.CharField(max_length=1000)


class MilestoneFilterSerializer(serializers.Serializer[Any]):
    """Filters of the list."""

    state = serializers.ChoiceField(choices=MilestoneState.choices, required=False)
    allocation_id = serializers.UUIDField(required=False)
