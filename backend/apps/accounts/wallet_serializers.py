"""Shapes of wallets, the messages that prove them, and changes of them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from apps.accounts.addresses import InvalidAddress, checksum_address
from apps.accounts.sign_in_message import CHAIN_ID_MOST, MESSAGE_MOST_CHARACTERS
from apps.accounts.signatures import SIGNATURE_MOST_BYTES
from apps.accounts.wallet_models import ChangeStatus, ProofPurpose
from apps.accounts.wallet_proofs import SignedMessage
from apps.core.shapes import StrictSerializer, WholeNumber, sent_like

_OLD = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
_NEW = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
_SAYS = (
    "sale.example.com wants you to sign in with your Ethereum account:\n"
    f"{_OLD}\n\nTokens of NA that are owed to me go to this address.\n\n"
    "URI: https://sale.example.com/\nVersion: 1\nChain ID: 1\n"
    "Nonce: 6926e9d13b0a4c5f9f6f2f0f4e1f6f0a5d6c1c7be1b2a3f4d5c6b7a8091a2b3c4d5e6f70\n"
    "Issued At: 2026-11-26T11:32:17Z\nExpiration Time: 2026-11-26T11:47:17Z"
)
_PROOF = {"message": _SAYS, "signature": f"0x{'5c' * 64}1b"}


class AddressField(serializers.CharField):
    """An address, checksummed; errors have the codes of ``addresses``."""

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
    is_proved = serializers.BooleanField(
        read_only=True, help_text="Whether you have signed for this address."
    )
    created_at = serializers.DateTimeField(read_only=True)


class ProofSerializer(StrictSerializer):
    """A message of `POST wallets/messages/`, and what the wallet made of it."""

    message = serializers.CharField(
        max_length=MESSAGE_MOST_CHARACTERS,
        trim_whitespace=False,
        help_text="The text that was signed (EIP-4361), byte for byte.",
    )
    signature = serializers.CharField(
        max_length=2 + 2 * SIGNATURE_MOST_BYTES,
        help_text="0x and hexadecimal digits: of a key (EIP-191, personal_sign) or for a contract (EIP-1271).",
    )

    def to_internal_value(self, data: Any) -> Any:
        """As the services take it."""
        return SignedMessage(**super().to_internal_value(data))


@extend_schema_serializer(
    examples=[
        OpenApiExample("Unproved", value={"address": _OLD}, request_only=True),
        OpenApiExample("Proved", value={"address": _OLD, "proof": _PROOF}, request_only=True),
    ]
)
class WalletRequestSerializer(StrictSerializer):
    """What registers a wallet, or proves the one that is there."""

    address = AddressField(
        help_text="0x and 40 hexadecimal digits; with capitals, their EIP-55 checksum counts."
    )
    proof = ProofSerializer(required=False, help_text="With it the wallet is proved.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "For a first wallet", value={"purpose": "own", "address": _OLD, "chain_id": 1}, request_only=True
        ),
        OpenApiExample(
            "For the old wallet, which is left",
            value={"purpose": "leave", "address": _NEW, "chain_id": 1},
            request_only=True,
        ),
    ]
)
class MessageRequestSerializer(StrictSerializer):
    """What is to be signed."""

    purpose = serializers.ChoiceField(
        choices=ProofPurpose.choices,
        help_text="`own`: a wallet is proved. For a change, `move` is signed by the new and `leave` by the old wallet.",
    )
    address = AddressField(help_text="The wallet; for `move` and `leave` the new one.")
    chain_id = WholeNumber(
        min_value=1, max_value=CHAIN_ID_MOST, help_text="A chain of one of the site's assets."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "To be signed with personal_sign",
            value={"message": _SAYS, "expires_at": "2026-11-26T11:47:17Z"},
            response_only=True,
        )
    ]
)
class MessageSerializer(serializers.Serializer[Any]):
    """A message to be signed as it is, within 15 minutes, once."""

    message = serializers.CharField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Both signatures",
            value={"new_address": _NEW, "new_proof": _PROOF, "old_proof": _PROOF},
            request_only=True,
        ),
        OpenApiExample(
            "The old key is lost",
            value={"new_address": _NEW, "new_proof": _PROOF, "reason": "The phone was stolen"},
            request_only=True,
        ),
    ]
)
class ChangeRequestSerializer(StrictSerializer):
    """Another address: with both signatures, or with the new one and a reason for staff."""

    new_address = AddressField()
    new_proof = ProofSerializer(help_text="Purpose `move`.")
    old_proof = ProofSerializer(required=False, help_text="Purpose `leave`. Without it staff decide.")
    reason = serializers.CharField(max_length=500, required=False, help_text="What became of the old key.")

    def validate_reason(self, reason: str) -> str:
        """Text that PostgreSQL can keep."""
        return _plain(reason)


class ChangeSerializer(serializers.Serializer[Any]):
    """A change of an address."""

    id = serializers.UUIDField(read_only=True)
    old_address = serializers.CharField(source="old_wallet.address", read_only=True)
    new_address = serializers.CharField(read_only=True)
    status = serializers.ChoiceField(choices=ChangeStatus.choices, read_only=True)
    reason = serializers.CharField(read_only=True)
    active_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When the cooling-off ends; until then it can be stopped."
    )
    stop_reason = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True, allow_null=True)


class StaffChangeSerializer(ChangeSerializer):
    """A change of an address, with the people."""

    member_id = serializers.UUIDField(read_only=True)
    is_signed_by_old = serializers.SerializerMethodField()
    first_approver_id = serializers.UUIDField(read_only=True, allow_null=True)
    second_approver_id = serializers.UUIDField(read_only=True, allow_null=True)
    stopped_by_id = serializers.UUIDField(read_only=True, allow_null=True)

    def get_is_signed_by_old(self, change: Any) -> bool:
        """Whether the old wallet has signed; without it two members of staff approve."""
        return change.old_proof_id is not None


@sent_like("Not by the holder", {"reason": "The beneficiary did not ask for this"})
class StopRequestSerializer(StrictSerializer):
    """Why a change is stopped."""

    reason = serializers.CharField(max_length=500)

    def validate_reason(self, reason: str) -> str:
        """Text that PostgreSQL can keep."""
        return _plain(reason)


class ChangeFilterSerializer(serializers.Serializer[Any]):
    """Filters of the list of changes."""

    status = serializers.ChoiceField(choices=ChangeStatus.choices, required=False)


@sent_like("Here", {"email": "holder@example.com"})
class NoticeEmailSerializer(StrictSerializer):
    """Where notices about the wallet go; empty: nowhere."""

    email = serializers.EmailField(max_length=254, allow_blank=True)


def _plain(text: str) -> str:
    if not text.isprintable():
        raise serializers.ValidationError(_("Only printable characters, in one line."), code="not_printable")
    return text
