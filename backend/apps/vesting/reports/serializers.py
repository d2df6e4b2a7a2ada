"""Shapes of the reports. Token amounts are text."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.shapes import base_units_text


class _OfAssetSerializer(serializers.Serializer[Any]):
    asset_id = serializers.UUIDField(read_only=True)
    asset_code = serializers.CharField(read_only=True)
    decimals = serializers.IntegerField(read_only=True)


class UnlockDaySerializer(serializers.Serializer[Any]):
    """What falls due on one day."""

    day = serializers.DateField(read_only=True, help_text="In the site's time zone.")
    releases = serializers.IntegerField(read_only=True)
    amount_tokens = serializers.CharField(read_only=True, help_text="Whole tokens.")
    amount_base_units = base_units_text()


class UnlockCalendarSerializer(_OfAssetSerializer):
    """The next 12 months of one asset."""

    days = UnlockDaySerializer(
        many=True, read_only=True, help_text="Days on which nothing unlocks are left out."
    )


class SupplyDaySerializer(serializers.Serializer[Any]):
    """Totals at the end of one day."""

    day = serializers.DateField(read_only=True, help_text="In the site's time zone.")
    granted_base_units = base_units_text()
    unlocked_base_units = base_units_text()
    released_base_units = base_units_text()


class SupplySerializer(_OfAssetSerializer):
    """One asset over time."""

    days = SupplyDaySerializer(
        many=True, read_only=True, help_text="Days on which nothing changed are left out."
    )


class PolicySumSerializer(_OfAssetSerializer):
    """What was granted under one version of a policy in one asset."""

    policy_id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(read_only=True)
    version = serializers.IntegerField(read_only=True)
    allocations = serializers.IntegerField(read_only=True)
    amount_tokens = serializers.CharField(read_only=True, help_text="Whole tokens.")
    amount_base_units = base_units_text()


class CalendarReportSerializer(serializers.Serializer[Any]):
    """By asset."""

    assets = UnlockCalendarSerializer(many=True, read_only=True)


class SupplyReportSerializer(serializers.Serializer[Any]):
    """By asset."""

    assets = SupplySerializer(many=True, read_only=True)


class PolicyReportSerializer(serializers.Serializer[Any]):
    """By policy's name, version and asset."""

    policies = PolicySumSerializer(many=True, read_only=True)
