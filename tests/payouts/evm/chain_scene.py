"""A site with an asset on the local chain, and what the chain and the rows say about its transfers."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import Any

from apps.payouts.custody.evm.account_library import account_library
from apps.payouts.evm_models import EvmToken, EvmTransaction, EvmTransfer, HotWallet
from apps.payouts.models import Payout
from apps.payouts.submission import payouts_round
from apps.sites.models import CustodyProvider
from devstack.chain.node import CHAIN_ID, LocalChain
from tests.factories import in_site, make_asset
from tests.payouts.scenes import TOKEN, Scene

DEPTH = 3


def planted_key() -> str:
    """A fresh key, as EVM_KEYS holds it."""
    return f"0x{secrets.token_hex(32)}"


class ChainScene(Scene):
    """Scene whose asset is an ERC-20 of 18 decimals, counted as sent at a depth of 3."""

    def __init__(self, chain: LocalChain, key: str, *, contract_decimals: int = 18, **asset: Any) -> None:
        super().__init__()
        self.chain = chain
        self.wallet: str = account_library().from_key(key).address
        self.token = chain.deploy_token(contract_decimals)
        chain.give_tokens(self.token, self.wallet, 1000 * TOKEN)
        chain.give_coins(self.wallet)
        fields = {
            "chain_id": CHAIN_ID,
            "contract_address": self.token,
            "custody_vault_id": self.wallet,
            "custody_provider": CustodyProvider.EVM,
            "confirmations": DEPTH,
        }
        self.asset = make_asset(self.site, "DIRECT", **fields | asset)

    def work(self, limit: int = 20) -> Counter[str]:
        """One round of a worker."""
        with self.working():
            return payouts_round(limit)

    def later(self) -> Counter[str]:
        """The next look, when its time has come."""
        self.make_due()
        return self.work()

    def received(self, payout: Payout | None = None) -> int:
        """Base units that a payout's address holds on chain."""
        return self.chain.token_balance(self.token, (payout or self.payout()).to_address)

    def sent(self) -> int:
        """Transactions of the wallet that are mined."""
        return int(self.chain.rpc("eth_getTransactionCount", self.wallet, "latest"), 16)

    def transfers(self) -> list[EvmTransfer]:
        with in_site(self.site):
            return list(EvmTransfer.objects.order_by("nonce"))

    def transactions(self) -> list[EvmTransaction]:
        with in_site(self.site):
            return list(EvmTransaction.objects.order_by("transfer__nonce", "number"))

    def wallets(self) -> list[HotWallet]:
        with in_site(self.site):
            return list(HotWallet.objects.all())

    def tokens(self) -> list[EvmToken]:
        with in_site(self.site):
            return list(EvmToken.objects.all())

    def state(self) -> tuple[str, str, str]:
        """Payout, attempt, and the attempt's error code or the provider's word."""
        [attempt] = self.attempts()
        return self.payout().status, attempt.status, attempt.error_code or attempt.raw_status
