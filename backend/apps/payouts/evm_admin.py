"""Direct EVM transfers, to look at: wallets, the nonces they gave out, and every transaction signed for one."""

from __future__ import annotations

from django.contrib import admin

from apps.payouts.evm_models import EvmToken, EvmTransaction, EvmTransfer, HotWallet
from apps.sites.scoped_admin.base import ScopedAdmin
from apps.sites.scoped_admin.columns import badge, short_id

TRANSFER_OUTCOME = badge("outcome", good=("moved",), busy=("open",), bad=("reverted", "superseded"))


@admin.register(HotWallet)
class HotWalletAdmin(ScopedAdmin):
    list_display = ("address", "chain_id", "next_nonce", "created_at")
    search_fields = ("id", "address")


@admin.register(EvmToken)
class EvmTokenAdmin(ScopedAdmin):
    list_display = ("contract_address", "chain_id", "decimals", "checked_at")
    search_fields = ("id", "contract_address")


@admin.register(EvmTransfer)
class EvmTransferAdmin(ScopedAdmin):
    cells = (TRANSFER_OUTCOME,)
    list_display = (short_id, "attempt", "wallet", "nonce", "to_address", "amount_base_units", *cells)
    list_select_related = ("attempt", "wallet")
    search_fields = ("id", "attempt__id")


@admin.register(EvmTransaction)
class EvmTransactionAdmin(ScopedAdmin):
    list_display = ("tx_hash", "transfer", "number", "max_fee_wei", "block_number", "created_at")
    list_select_related = ("transfer",)
    search_fields = ("id", "tx_hash")
    # What is signed can be broadcast by whoever holds it: it is for the worker only.
    hidden = ("raw",)
