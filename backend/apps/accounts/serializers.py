"""Shapes of the accounts endpoints."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.accounts.addresses import InvalidAddress, checksum_address
from apps.accounts.models import Role


class AddressField(serializers.CharField):
    """An Ethereum address, answered with its EIP-55 checksum; refusals carry the codes of ``addresses``."""

    def __init__(self, **kwargs: Any) -> None:
        # Untrimmed: what is signed and shown elsewhere must be what was sent here.
        super().__init__(**{"trim_whitespace": False, "max_length": 64, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """The checksummed form."""
        try:
            return checksum_address(super().to_internal_value(data))
        except InvalidAddress as error:
            raise serializers.ValidationError(str(error), code=error.code) from error


class WalletSerializer(serializers.Serializer[Any]):
    """A wallet as it is shown."""

    id = serializers.UUIDField(read_only=True)
    address = serializers.CharField(read_only=True)
    is_active = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class WalletRequestSerializer(serializers.Serializer[Any]):
    """What registers a wallet."""

    address = AddressField(
        help_text="0x and 40 hexadecimal digits; with capitals, their EIP-55 checksum counts."
    )


class MemberSerializer(serializers.Serializer[Any]):
    """The caller's place in the site."""

    id = serializers.UUIDField(read_only=True)
    subject = serializers.CharField(source="identity.subject", read_only=True)
    role = serializers.ChoiceField(choices=Role.choices, read_only=True)
    is_active = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class MeSerializer(MemberSerializer):
    """The caller's place in the site, with the wallet that payouts go to."""

    wallet = WalletSerializer(read_only=True, allow_null=True)


class RoleRequestSerializer(serializers.Serializer[Any]):
    """Another role for a member."""

    role = serializers.ChoiceField(choices=Role.choices)


class MemberFilterSerializer(serializers.Serializer[Any]):
    """Filters of the member list."""

    role = serializers.ChoiceField(choices=Role.choices, required=False)
