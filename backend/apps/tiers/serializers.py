"""Shapes of the catalogue. Token amounts are text: JSON's numbers lose the last of 78 digits."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.amounts import format_base_units
from apps.core.shapes import base_units_text
from apps.tiers.models import Tier
from apps.vesting.serializers import TermsSerializer


class TierAssetSerializer(serializers.Serializer[Any]):
    """The token that a tier sells."""

    code = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    decimals = serializers.IntegerField(read_only=True)
    chain_id = serializers.IntegerField(read_only=True)
    contract_address = serializers.CharField(read_only=True)


class TierPolicySerializer(TermsSerializer):
    """When the tokens unlock."""

    name = serializers.CharField(read_only=True)
    version = serializers.IntegerField(read_only=True)
    starts_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Null: when the order is paid."
    )


class TierSerializer(serializers.Serializer[Any]):
    """An offer and how much of it is left."""

    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(read_only=True)
    asset = TierAssetSerializer(read_only=True)
    policy = TierPolicySerializer(read_only=True)
    price_minor = serializers.IntegerField(
        read_only=True, help_text="Price of a unit in the currency's minor units."
    )
    currency = serializers.CharField(read_only=True, help_text="ISO 4217.")
    tokens_per_unit = serializers.SerializerMethodField(help_text="Whole tokens.")
    tokens_per_unit_base_units = base_units_text()
    supply_units = serializers.IntegerField(read_only=True)
    available_units = serializers.SerializerMethodField(help_text="Neither sold nor reserved.")
    per_buyer_limit_units = serializers.IntegerField(read_only=True, allow_null=True)
    opens_at = serializers.DateTimeField(read_only=True)
    closes_at = serializers.DateTimeField(read_only=True, allow_null=True)

    def get_tokens_per_unit(self, tier: Tier) -> str:
        return format_base_units(tier.tokens_per_unit_base_units, tier.asset.decimals)

    @extend_schema_field(int)
    def get_available_units(self, tier: Tier) -> int:
        return tier.supply_units - tier.reserved_units - tier.sold_units
