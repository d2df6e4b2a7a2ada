"""Direct transfers on an EVM chain: the wallet that sends, a transfer for each nonce, a transaction for each fee."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.audit.trail import AuditTrail
from apps.core.amounts import BaseUnitsField
from apps.core.rules import Frozen, Transitions
from apps.payouts.rules import NeverFalls, SignedOnlyWhileOpen
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.policy import site_rules

_IMMUTABLE = ("SELECT", "INSERT")


class HotWallet(SiteOwned):
    """An address of a site on a chain. Its key is in the environment; this row hands out its nonces."""

    chain_id = models.PositiveBigIntegerField(_("chain id"), help_text=_("EIP-155"))
    address = models.CharField(_("address"), max_length=42)
    next_nonce = models.PositiveBigIntegerField(_("next nonce"), default=0)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("hot wallet")
        verbose_name_plural = _("hot wallets")
        constraints = [
            *site_rules("hotwallet"),
            models.UniqueConstraint(fields=["site", "chain_id", "address"], name="hotwallet_once"),
            Frozen(name="hotwallet_frozen", fields=["site", "chain_id", "address"]),
            NeverFalls(name="hotwallet_nonce_never_falls", field="next_nonce"),
        ]

    def __str__(self) -> str:
        return f"{self.address} ({self.chain_id})"


class EvmToken(SiteOwned):
    """That a contract was asked for its decimals, and what it said: asked once, before the first payout."""

    chain_id = models.PositiveBigIntegerField(_("chain id"), help_text=_("EIP-155"))
    contract_address = models.CharField(_("contract address"), max_length=42)
    decimals = models.PositiveSmallIntegerField(_("decimals"))
    checked_at = models.DateTimeField(_("checked at"), auto_now_add=True)

    class Meta:
        verbose_name = _("checked token")
        verbose_name_plural = _("checked tokens")
        constraints = [
            *site_rules("evmtoken", referenced=False, grants=_IMMUTABLE),
            models.UniqueConstraint(fields=["site", "chain_id", "contract_address"], name="evmtoken_once"),
            Frozen(name="evmtoken_frozen", fields=["site", "chain_id", "contract_address", "decimals"]),
        ]

    def __str__(self) -> str:
        return f"{self.contract_address} ({self.chain_id})"


class TransferOutcome(models.TextChoices):
    """What became of a nonce at the asset's depth."""

    OPEN = "open", _("Not at its depth yet")
    MOVED = "moved", _("Mined, and it succeeded")
    REVERTED = "reverted", _("Mined, and it moved nothing")
    SUPERSEDED = "superseded", _("The nonce was used by a transaction that is not ours")


class EvmTransfer(SiteOwned):
    """One nonce of a wallet, taken for one attempt: recipient and amount are those of every fee tried for it."""

    attempt = SiteForeignKey("payouts.PayoutAttempt")
    wallet = SiteForeignKey(HotWallet)
    nonce = models.PositiveBigIntegerField(_("nonce"))
    contract_address = models.CharField(_("contract address"), max_length=42)
    to_address = models.CharField(_("to address"), max_length=42)
    amount_base_units = BaseUnitsField(_("amount (base units)"))
    outcome = models.CharField(
        _("outcome"), max_length=10, choices=TransferOutcome.choices, default=TransferOutcome.OPEN
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("EVM transfer")
        verbose_name_plural = _("EVM transfers")
        indexes = [
            models.Index(fields=["site", "wallet"], condition=Q(outcome="open"), name="evmtransfer_open")
        ]
        constraints = [
            *site_rules("evmtransfer", references=["attempt", "wallet"]),
            models.UniqueConstraint(fields=["site", "attempt"], name="evmtransfer_one_an_attempt"),
            models.UniqueConstraint(fields=["site", "wallet", "nonce"], name="evmtransfer_nonce_once"),
            models.CheckConstraint(condition=Q(amount_base_units__gt=0), name="evmtransfer_amount_positive"),
            SignedOnlyWhileOpen(name="evmtransfer_attempt_open"),
            Transitions(
                name="evmtransfer_outcomes",
                field="outcome",
                born=["open"],
                edges={
                    "open": ["moved", "reverted", "superseded"],
                    # A node that lagged behind may find our own transaction after all.
                    "superseded": ["moved", "reverted"],
                },
            ),
            Frozen(
                name="evmtransfer_frozen",
                fields=[
                    "site",
                    "attempt",
                    "wallet",
                    "nonce",
                    "contract_address",
                    "to_address",
                    "amount_base_units",
                ],
            ),
            AuditTrail(
                name="evmtransfer_audit",
                fields=["attempt", "nonce", "to_address", "amount_base_units", "outcome"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.nonce}: {self.to_address}"


class EvmTransaction(SiteOwned):
    """One signed transaction of a transfer, stored before it is broadcast; whichever is mined settles it.

    Fees are in wei a unit of gas. ``block_*`` is where its receipt was seen last; empty again when a
    reorganisation took it away.
    """

    transfer = SiteForeignKey(EvmTransfer)
    number = models.PositiveSmallIntegerField(_("number"))
    gas_limit = models.PositiveBigIntegerField(_("gas limit"))
    max_fee_wei = models.PositiveBigIntegerField(_("maximal fee (wei a gas)"))
    max_priority_fee_wei = models.PositiveBigIntegerField(_("maximal tip (wei a gas)"))
    raw = models.TextField(_("signed transaction"))
    tx_hash = models.CharField(_("transaction hash"), max_length=66)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    block_number = models.PositiveBigIntegerField(_("block"), null=True, blank=True)
    block_hash = models.CharField(_("block hash"), max_length=66, blank=True)

    class Meta:
        verbose_name = _("EVM transaction")
        verbose_name_plural = _("EVM transactions")
        constraints = [
            *site_rules("evmtransaction", references=["transfer"], referenced=False),
            models.UniqueConstraint(fields=["site", "transfer", "number"], name="evmtransaction_number_once"),
            models.UniqueConstraint(fields=["site", "tx_hash"], name="evmtransaction_hash_once"),
            models.CheckConstraint(
                condition=Q(block_number__isnull=True, block_hash="")
                | (Q(block_number__isnull=False) & ~Q(block_hash="")),
                name="evmtransaction_block_whole",
            ),
            Frozen(
                name="evmtransaction_frozen",
                fields=[
                    "site",
                    "transfer",
                    "number",
                    "gas_limit",
                    "max_fee_wei",
                    "max_priority_fee_wei",
                    "raw",
                    "tx_hash",
                ],
            ),
            AuditTrail(
                name="evmtransaction_audit", fields=["tx_hash", "max_fee_wei", "block_number", "block_hash"]
            ),
        ]

    def __str__(self) -> str:
        return self.tx_hash
