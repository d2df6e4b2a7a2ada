"""Shapes of revocations by staff."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.amounts import format_base_units
from apps.core.shapes import StrictSerializer, sent_like
from apps.vesting.queries import revoked_by
from apps.vesting.revoking_models import Revocation, RevocationScope, RevocationState


class RevocationSerializer(serializers.Serializer[Any]):
    """One revocation: what, when, why, by whom, and what it has taken so far.

    Lists pass ``revoked`` (base units by id) in the context.
    """

    id = serializers.UUIDField(read_only=True)
    allocation_id = serializers.UUIDField(read_only=True)
    asset_code = serializers.CharField(source="allocation.asset.code", read_only=True)
    scope = serializers.ChoiceField(choices=RevocationScope.choices, read_only=True)
    state = serializers.ChoiceField(
        choices=RevocationState.choices,
        read_only=True,
        help_text="`scheduled` after its time: tokens on their way out may still come back, and are taken then.",
    )
    effective_at = serializers.DateTimeField(read_only=True)
    reason = serializers.CharField(read_only=True)
    revoked_tokens = serializers.SerializerMethodField(help_text="Whole tokens.")
    revoked_base_units = serializers.SerializerMethodField()
    asked_by_id = serializers.UUIDField(read_only=True)
    decided_by_id = serializers.UUIDField(read_only=True, allow_null=True)
    decided_at = serializers.DateTimeField(read_only=True, allow_null=True)
    decision_note = serializers.CharField(read_only=True)
    stopped_by_id = serializers.UUIDField(read_only=True, allow_null=True)
    stop_reason = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True, allow_null=True)

    def get_revoked_tokens(self, revocation: Revocation) -> str:
        return format_base_units(self._revoked(revocation), revocation.allocation.asset.decimals)

    def get_revoked_base_units(self, revocation: Revocation) -> str:
        return str(self._revoked(revocation))

    def _revoked(self, revocation: Revocation) -> int:
        revoked = self.context.get("revoked")
        if revoked is None:
            revoked = revoked_by(revocation_ids=[revocation.id])
        return int(revoked.get(revocation.id, 0))


@sent_like(
    "At the end of the year",
    {"scope": "unvested", "reason": "Left the team", "effective_at": "2026-12-31T00:00:00Z"},
)
class RevocationAskSerializer(StrictSerializer):
    """What is revoked, from when, and why."""

    scope = serializers.ChoiceField(choices=RevocationScope.choices)
    reason = serializers.CharField(max_length=1000)
    effective_at = serializers.DateTimeField(
        required=False, help_text="Now or later; releases after it are not vested. Left out: now."
    )


class RevocationFilterSerializer(serializers.Serializer[Any]):
    """Filters of the list."""

    state = serializers.ChoiceField(choices=RevocationState.choices, required=False)
    allocation_id = serializers.UUIDField(required=False)
