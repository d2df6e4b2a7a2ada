"""Why a transfer is not signed yet."""

from __future__ import annotations

from apps.core.remote import RemoteError


class TransferWaits(RemoteError):
    """Nothing was signed and no nonce taken, and the payout is not to blame: it waits, with this code to see.

    Of the configuration: evm_key_missing, evm_wrong_wallet, evm_rpc_missing, evm_wrong_chain. Of wallet and chain:
    insufficient_funds, insufficient_gas, evm_fee_above_limit, evm_wallet_busy. Of a race: evm_attempt_closed.
    """
