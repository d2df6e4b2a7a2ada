"""Shapes of the accounts endpoints."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.accounts.models import Membership, Role, Wallet
from apps.accounts.wallet_serializers import WalletSerializer
from apps.core.shapes import sent_like


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
    notice_email = serializers.CharField(read_only=True, help_text="Where notices about the wallet go.")


@sent_like("An operator", {"role": "operator"})
class RoleRequestSerializer(serializers.Serializer[Any]):
    """Another role for a member."""

    role = serializers.ChoiceField(choices=Role.choices)


class MemberFilterSerializer(serializers.Serializer[Any]):
    """Filters of the member list."""

    role = serializers.ChoiceField(choices=Role.choices, required=False)


def me_document(member: Membership, wallet: Wallet | None) -> dict[str, Any]:
    """What MeSerializer describes."""
    shown = None if wallet is None else WalletSerializer(wallet).data
    return {**MemberSerializer(member).data, "wallet": shown, "notice_email": member.notice_email}
