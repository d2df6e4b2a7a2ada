"""Direct ERC-20 transfers from a site's own hot wallet, as a custody provider.

The order is the promise: nonce, signed transaction and hash are committed, then broadcast. From that commit on the
transfer is settled by the receipts of every transaction of its nonce, whatever a node says when it is handed one:
nothing is ever signed under a second nonce for the same attempt.
"""

from __future__ import annotations

import logging
from uuid import UUID

from apps.core.remote import RemoteRejected, refuse_inside_transaction
from apps.payouts.custody.base import AlreadySubmitted, CustodyUnknown, TransferRequest, TransferTruth
from apps.payouts.custody.evm import chain, rows
from apps.payouts.custody.evm.errors import TransferWaits
from apps.payouts.custody.evm.fees import first_fees
from apps.payouts.custody.evm.follow import truth_of
from apps.payouts.custody.evm.rpc import Node
from apps.payouts.custody.evm.signing import hot_key
from apps.sites.models import Asset

logger = logging.getLogger("posx.payouts")


class EvmCustody:
    """The Custody protocol over our own rows and a node; errors and meanings are those of custody/base.py.

    Works in the bound site: wallets and keys are each site's own.
    """

    def require_asset(self, request: TransferRequest) -> None:
        """See Custody.require_asset; here it is part of submit, which asks the contract by the node that it uses."""

    def submit(self, request: TransferRequest) -> str:
        """See Custody.submit. RemoteRejected: nothing was signed. TransferWaits: nothing was signed yet."""
        refuse_inside_transaction()
        attempt = rows.attempt_of(request.external_id)
        if attempt is None:
            raise RemoteRejected("evm_attempt_unknown", "this site has no such attempt")
        if rows.stored_for(attempt_id=attempt.id) is not None:
            raise AlreadySubmitted("evm_already_signed", "a transfer is stored for this attempt")
        asset = attempt.payout.asset
        key = hot_key(attempt.site.code, request.vault_account_id)
        node = chain.node_of(asset.chain_id)
        _require_decimals(node, asset, request.decimals)
        means = _means(node, asset, key.address, request)
        stored = rows.transfer_sign(attempt, request, key, means)
        if refusal := chain.broadcast(node, stored.transactions[-1].raw):
            logger.warning("EVM node did not take nonce %s: %s", stored.transfer.nonce, refusal)
            raise CustodyUnknown("evm_not_broadcast", refusal)
        return str(stored.transfer.id)

    def find_by_external_id(self, external_id: str, *, decimals: int) -> TransferTruth | None:
        """See Custody.find_by_external_id. What is stored and not mined is broadcast again on the way."""
        refuse_inside_transaction()
        attempt = rows.attempt_of(external_id)
        return self._truth(rows.stored_for(attempt_id=attempt.id)) if attempt else None

    def get(self, provider_transfer_id: str, *, decimals: int) -> TransferTruth | None:
        """See Custody.get; the id is our own transfer's."""
        refuse_inside_transaction()
        try:
            transfer_id = UUID(provider_transfer_id)
        except ValueError:
            return None
        return self._truth(rows.stored_for(transfer_id=transfer_id))

    def _truth(self, stored: rows.Stored | None) -> TransferTruth | None:
        return None if stored is None else truth_of(chain.node_of(stored.transfer.wallet.chain_id), stored)


def _require_decimals(node: Node, asset: Asset, decimals: int) -> None:
    """The contract's own decimals, asked before the first payout and pinned; RemoteRejected when they differ.

    With others, every amount in base units would be another number of tokens.
    """
    told = rows.pinned_decimals(asset)
    if told is None:
        told = chain.token_decimals(node, asset.contract_address)
        if told == decimals:
            rows.pin_decimals(asset, told)
    if told != decimals:
        raise RemoteRejected("evm_decimals_differ", f"the contract has {told} decimals, the asset {decimals}")


def _means(node: Node, asset: Asset, sender: str, request: TransferRequest) -> rows.Means:
    """Nonce, balances, gas and price before a nonce is taken. Raises TransferWaits, RemoteRejected."""
    base_fee_wei, tip_wei = chain.fees_now(node)
    fees = first_fees(base_fee_wei=base_fee_wei, tip_wei=tip_wei, limit_wei=chain.fee_limit_wei())
    if fees is None:
        raise TransferWaits("evm_fee_above_limit", f"the base fee is {base_fee_wei} wei")
    coin_wei = node.number("eth_getBalance", sender, "latest")
    gas_limit = _gas_limit(node, asset, sender, request)
    return rows.Means(
        nonce=chain.nonce_count(node, sender),
        token_base_units=chain.token_balance(node, asset.contract_address, sender),
        coin_wei=coin_wei,
        gas_limit=gas_limit,
        fees=fees,
    )


def _gas_limit(node: Node, asset: Asset, sender: str, request: TransferRequest) -> int:
    try:
        return chain.transfer_gas(
            node, asset.contract_address, sender, request.to_address, request.amount_base_units
        )
    except RemoteRejected:
        # The contract refuses a wallet that is short as it refuses a bad transfer; only the latter is final.
        if chain.token_balance(node, asset.contract_address, sender) < request.amount_base_units:
            raise TransferWaits("insufficient_funds", f"{sender} holds too few {asset.code}") from None
        raise
