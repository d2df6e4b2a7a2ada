"""The hot wallets' keys: from the environment, never in a row, a message or a repr."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings

from apps.payouts.custody.evm.account_library import account_library
from apps.payouts.custody.evm.errors import TransferWaits
from apps.payouts.custody.evm.fees import Fees

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction as hex text with 0x, and its hash."""

    raw: str
    tx_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCall:
    """One call of a contract, without coins."""

    chain_id: int
    nonce: int
    contract_address: str
    data: str
    gas_limit: int


class HotKey:
    """Signs with one site's key; shows only the address."""

    __slots__ = ("_account", "address")

    def __init__(self, account: LocalAccount) -> None:
        self._account = account
        self.address: str = account.address

    def __repr__(self) -> str:
        return f"HotKey({self.address})"

    def sign(self, call: ContractCall, fees: Fees) -> Signed:
        """An EIP-1559 transaction; the same arguments give the same bytes (RFC 6979)."""
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": call.chain_id,
            "nonce": call.nonce,
            "to": bytes.fromhex(call.contract_address[2:]),  # as text it would have to carry a checksum
            "value": 0,
            "data": call.data,
            "gas": call.gas_limit,
            "maxFeePerGas": fees.max_fee_wei,
            "maxPriorityFeePerGas": fees.max_priority_fee_wei,
        }
        signed = self._account.sign_transaction(fields)
        return Signed(f"0x{signed.raw_transaction.hex()}", f"0x{signed.hash.hex()}")


def hot_key(site_code: str, address: str) -> HotKey:
    """The site's key, which must be that of ``address``. Raises TransferWaits."""
    secret = settings.EVM_KEYS.get(site_code)
    if secret is None:
        raise TransferWaits("evm_key_missing", f"EVM_KEYS has no key for {site_code}")
    key = HotKey(_account(secret))
    if key.address.lower() != address.lower():
        # Tokens would leave another wallet than the one that was approved.
        raise TransferWaits("evm_wrong_wallet", f"the key of {site_code} is of {key.address}")
    return key


def _account(secret: str) -> LocalAccount:
    try:
        account: LocalAccount = account_library().from_key(secret)
    except ValueError:
        # `from None`: the library's own message may quote the key.
        raise TransferWaits("evm_key_missing", "the key cannot be used") from None
    return account
