"""Shapes of pauses and disputes' freezes."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.shapes import StrictSerializer, sent_like
from apps.vesting.freeze_models import FreezeCause


class FreezeSerializer(serializers.Serializer[Any]):
    """Why an allocation stands still, or stood."""

    id = serializers.UUIDField(read_only=True)
    allocation_id = serializers.UUIDField(read_only=True)
    cause = serializers.ChoiceField(choices=FreezeCause.choices, read_only=True)
    reason = serializers.CharField(read_only=True)
    begun_by_id = serializers.UUIDField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    ended_by_id = serializers.UUIDField(read_only=True, allow_null=True)
    end_reason = serializers.CharField(read_only=True)
    ended_at = serializers.DateTimeField(read_only=True, allow_null=True)


@sent_like("While it is looked into", {"reason": "Sanctions list, being checked"})
class PauseSerializer(StrictSerializer):
    """Why it is paused, or goes on."""

    reason = serializers.CharField(max_length=1000)


class FreezeFilterSerializer(serializers.Serializer[Any]):
    """Filters of the list."""

    allocation_id = serializers.UUIDField(required=False)
