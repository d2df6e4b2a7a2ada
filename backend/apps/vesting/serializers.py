"""Shapes of the vesting endpoints. Token amounts are text, in whole tokens and in base units."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.amounts import format_base_units
from apps.core.shapes import EXAMPLE_ID, StrictSerializer, UuidText, WholeNumber, base_units_text, sent_like
from apps.vesting.models import COUNTED, Allocation, PeriodUnit, Release, VestingSchedule
from apps.vesting.payout_link import RELEASES_A_BATCH
from apps.vesting.queries import AssetSums


class AllocationSerializer(serializers.Serializer[Any]):
    """Tokens owed to a member."""

    id = serializers.UUIDField(read_only=True)
    asset_id = serializers.UUIDField(read_only=True)
    asset_code = serializers.CharField(source="asset.code", read_only=True)
    amount_tokens = serializers.SerializerMethodField(help_text="Whole tokens.")
    amount_base_units = base_units_text()
    source_kind = serializers.CharField(read_only=True, help_text="Why: `order`, or an import.")
    source_id = serializers.UUIDField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)

    def get_amount_tokens(self, allocation: Allocation) -> str:
        return format_base_units(allocation.amount_base_units, allocation.asset.decimals)


class StaffAllocationSerializer(AllocationSerializer):
    """An allocation as staff see it."""

    beneficiary_id = serializers.UUIDField(read_only=True)


@extend_schema_field({"type": ["object", "null"], "additionalProperties": True})
class TermsField(serializers.JSONField):
    """Terms of version 2 (docs/vesting-terms.md)."""


class TermsSerializer(serializers.Serializer[Any]):
    """When the parts of an amount are paid: by ``terms``, or, where it is null, by the fields beside it."""

    terms = TermsField(read_only=True, help_text="Terms of version 2; null: the fields beside it.")
    tge_basis_points = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Paid at the start; 10000 is everything."
    )
    cliff_count = serializers.IntegerField(read_only=True, allow_null=True)
    cliff_unit = serializers.ChoiceField(choices=PeriodUnit.choices, read_only=True, allow_null=True)
    parts = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Equal parts after the cliff."
    )
    period_count = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Periods between two parts."
    )
    period_unit = serializers.ChoiceField(choices=PeriodUnit.choices, read_only=True, allow_null=True)


class ScheduleSerializer(TermsSerializer):
    """An allocation's terms, frozen when it was made. Its dated parts are the releases."""

    id = serializers.UUIDField(read_only=True)
    allocation_id = serializers.UUIDField(read_only=True)
    policy_id = serializers.UUIDField(read_only=True)
    start_at = serializers.DateTimeField(read_only=True)
    total_tokens = serializers.SerializerMethodField(help_text="Whole tokens.")
    total_base_units = base_units_text()
    releases = serializers.IntegerField(read_only=True, help_text="How many there are.")
    first_unlock_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Null where all of it waits for milestones."
    )
    last_unlock_at = serializers.DateTimeField(read_only=True, allow_null=True)

    def get_total_tokens(self, schedule: VestingSchedule) -> str:
        return format_base_units(schedule.total_base_units, schedule.allocation.asset.decimals)


class ReleaseSerializer(serializers.Serializer[Any]):
    """One dated part of an allocation."""

    id = serializers.UUIDField(read_only=True)
    allocation_id = serializers.UUIDField(read_only=True)
    asset_code = serializers.CharField(source="allocation.asset.code", read_only=True)
    number = serializers.IntegerField(read_only=True, help_text="0 is paid at the start.")
    unlock_at = serializers.DateTimeField(
        read_only=True, help_text="9999-12-31 while it waits for its milestone."
    )
    milestone = serializers.CharField(
        read_only=True, help_text="The event that it waits or waited for, or empty."
    )
    amount_tokens = serializers.SerializerMethodField(help_text="Whole tokens.")
    amount_base_units = base_units_text()
    status = serializers.ChoiceField(choices=COUNTED, read_only=True)
    unlocked_at = serializers.DateTimeField(read_only=True, allow_null=True)
    released_at = serializers.DateTimeField(read_only=True, allow_null=True)
    tx_hash = serializers.CharField(read_only=True, help_text="On chain, once it is released.")

    def get_amount_tokens(self, release: Release) -> str:
        return format_base_units(release.amount_base_units, release.allocation.asset.decimals)


class StaffReleaseSerializer(ReleaseSerializer):
    """A release as staff see it."""

    beneficiary_id = serializers.UUIDField(source="allocation.beneficiary_id", read_only=True)
    asset_id = serializers.UUIDField(source="allocation.asset_id", read_only=True)
    payout_id = serializers.UUIDField(read_only=True, allow_null=True)


class AmountSerializer(serializers.Serializer[Any]):
    """An amount, twice."""

    tokens = serializers.CharField(read_only=True, help_text="Whole tokens.")
    base_units = base_units_text()


class StateSumsSerializer(serializers.Serializer[Any]):
    """An amount for each state of a release."""

    def get_fields(self) -> dict[str, Any]:
        return {status: AmountSerializer() for status in COUNTED}


class AssetSumsSerializer(serializers.Serializer[Any]):
    """What is owed and paid of one asset."""

    asset_id = serializers.UUIDField(read_only=True)
    asset_code = serializers.CharField(read_only=True)
    total = AmountSerializer()
    by_status = StateSumsSerializer()


class SummarySerializer(serializers.Serializer[Any]):
    """Amounts by asset and state."""

    assets = AssetSumsSerializer(many=True)


class AllocationDetailSerializer(AllocationSerializer):
    """An allocation with its amounts by state."""

    by_status = StateSumsSerializer()


class PolicySerializer(TermsSerializer):
    """A template of terms."""

    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(read_only=True)
    version = serializers.IntegerField(read_only=True)
    starts_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Null: vesting starts when the order is paid."
    )
    is_active = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class TermsRequestSerializer(StrictSerializer):
    """Terms: as ``terms``, or (null) as the fields beside it, of which the first and ``parts`` are needed."""

    terms = TermsField(required=False, allow_null=True, help_text="As docs/vesting-terms.md says.")
    tge_basis_points = WholeNumber(min_value=0, max_value=10_000, required=False)
    cliff_count = WholeNumber(min_value=0, max_value=32_767, required=False)
    cliff_unit = serializers.ChoiceField(choices=PeriodUnit.choices, required=False)
    parts = WholeNumber(min_value=0, max_value=10_000, required=False)
    period_count = WholeNumber(min_value=1, max_value=32_767, required=False)
    period_unit = serializers.ChoiceField(choices=PeriodUnit.choices, required=False)
    starts_at = serializers.DateTimeField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Without ``terms`` the two fields that have no default are needed."""
        missing = [name for name in ("tge_basis_points", "parts") if name not in attrs]
        if attrs.get("terms") is None and missing:
            said = [serializers.ErrorDetail(_("This field is required."), code="required")]
            raise serializers.ValidationError(dict.fromkeys(missing, said))
        return attrs


@sent_like(
    "A tenth at the start, the rest in 12 months",
    {"name": "Seed round", "tge_basis_points": 1000, "parts": 12, "period_unit": "month"},
)
class PolicyRequestSerializer(TermsRequestSerializer):
    """Terms of a new policy, or of the next version of one."""

    name = serializers.CharField(max_length=120)


@sent_like("The longest unlocked ones", {"asset_id": EXAMPLE_ID, "limit": 100})
class BatchRequestSerializer(StrictSerializer):
    """Which releases to pay out: the named ones, all or none; or the longest unlocked ones, up to ``limit``."""

    asset_id = UuidText()
    release_ids = serializers.ListField(
        child=UuidText(), required=False, allow_empty=False, max_length=RELEASES_A_BATCH
    )
    limit = WholeNumber(required=False, min_value=1, max_value=RELEASES_A_BATCH)


class ReleaseFilterSerializer(serializers.Serializer[Any]):
    """Filters of a member's releases."""

    status = serializers.ChoiceField(choices=COUNTED, required=False)
    allocation_id = serializers.UUIDField(required=False)


class StaffReleaseFilterSerializer(ReleaseFilterSerializer):
    """Filters of the site's releases."""

    asset_id = serializers.UUIDField(required=False)
    beneficiary_id = serializers.UUIDField(required=False)


def amount_document(base_units: int, decimals: int) -> dict[str, str]:
    """The shape of AmountSerializer."""
    return {"tokens": format_base_units(base_units, decimals), "base_units": str(base_units)}


def sums_document(sums: AssetSums) -> dict[str, Any]:
    """The shape of AssetSumsSerializer."""
    return {
        "asset_id": str(sums.asset_id),
        "asset_code": sums.asset_code,
        "total": amount_document(sums.total_base_units, sums.decimals),
        "by_status": {
            status: amount_document(value, sums.decimals) for status, value in sums.by_status.items()
        },
    }
