"""Tenants and the tokens they sell."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.core.amounts import BaseUnitsField
from apps.core.ids import uuid7
from apps.core.rules import Frozen
from apps.sites.owned import SiteOwned
from apps.sites.rules.policy import site_rules
from apps.sites.time_zones import validate_time_zone


class ApprovalRule(models.TextChoices):
    """How many people a payout batch needs."""

    TWO_PEOPLE = "two_people", _("Another person approves")
    ONE_PERSON = "one_person", _("The requester may approve")


class Site(models.Model):
    """A tenant: one sale. Site-less by nature, and holds nothing secret."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(
        _("code"),
        max_length=16,
        unique=True,
        validators=[RegexValidator(r"^[A-Z][A-Z0-9]{1,15}\Z", _("2 to 16 capital letters and digits"))],
    )
    name = models.CharField(_("name"), max_length=120)
    host = models.CharField(
        _("host"),
        max_length=253,
        unique=True,
        null=True,
        blank=True,
        help_text=_("Host header of its own domain"),
    )
    is_active = models.BooleanField(_("active"), default=True)
    registration_open = models.BooleanField(_("registration open"), default=True)
    currencies = ArrayField(
        models.CharField(max_length=3), verbose_name=_("currencies"), help_text=_("ISO 4217, capitals")
    )
    approval_rule = models.CharField(
        _("approval rule"), max_length=12, choices=ApprovalRule.choices, default=ApprovalRule.TWO_PEOPLE
    )
    wallet_domain = models.CharField(
        _("wallet domain"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        validators=[
            RegexValidator(r"^[a-z0-9.-]+(:[0-9]{1,5})?\Z", _("A host name, with a port where it has one"))
        ],
        help_text=_("Of the page on which people sign with their wallets; the host when empty"),
    )
    wallet_cooling_off_hours = models.PositiveSmallIntegerField(
        _("cooling-off of wallet changes (hours)"), default=72, db_default=72
    )
    wallet_proof_required = models.BooleanField(
        _("pay out to proved wallets only"), default=False, db_default=False
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        db_default="UTC",
        validators=[validate_time_zone],
        help_text=_("IANA name. New vesting terms that name none are written in it; made ones keep theirs"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("site")
        verbose_name_plural = _("sites")
        constraints = [
            models.CheckConstraint(condition=Q(code__regex=r"^[A-Z][A-Z0-9]{1,15}$"), name="site_code_form"),
            models.CheckConstraint(
                condition=Q(approval_rule__in=ApprovalRule.values), name="site_approval_rule_known"
            ),
            models.CheckConstraint(
                condition=Q(wallet_cooling_off_hours__range=(1, 720)), name="site_wallet_cooling_off_range"
            ),
            models.CheckConstraint(
                condition=Q(time_zone__regex=r"^[A-Za-z][A-Za-z0-9_+/-]*$"), name="site_time_zone_form"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class CustodyProvider(models.TextChoices):
    """Who holds the keys that send an asset."""

    FIREBLOCKS = "fireblocks", _("Fireblocks")
    EVM = "evm", _("Our own hot wallet, directly on chain")


class Asset(SiteOwned):
    """A token of a site on a chain. Its decimals and identity never change once it exists.

    For the provider ``evm`` the vault account is the hot wallet's address (docs/custody.md).
    """

    code = models.CharField(_("code"), max_length=16)
    name = models.CharField(_("name"), max_length=120)
    decimals = models.PositiveSmallIntegerField(_("decimals"))
    chain_id = models.PositiveBigIntegerField(_("chain id"), help_text=_("EIP-155"))
    contract_address = models.CharField(_("contract address"), max_length=42, blank=True)
    custody_asset_id = models.CharField(_("custody asset id"), max_length=64)
    custody_vault_id = models.CharField(
        _("custody vault account"), max_length=64, help_text=_("Sent from here; a hot wallet is its address")
    )
    custody_provider = models.CharField(
        _("custody provider"),
        max_length=16,
        choices=CustodyProvider.choices,
        default=CustodyProvider.FIREBLOCKS,
        db_default="fireblocks",  # a worker of the release before does not know the column
    )
    confirmations = models.PositiveSmallIntegerField(
        _("confirmations"),
        default=12,
        db_default=12,
        help_text=_(
            "Blocks from a transfer's own to the newest before it counts; used by our own hot wallet"
        ),
    )
    auto_approve_below_base_units = BaseUnitsField(
        _("approve by itself below (base units)"),
        default=0,
        help_text=_("Batches whose total is below this need no second person; 0 means never"),
    )
    generation_at = models.DateTimeField(
        _("generation event"),
        null=True,
        blank=True,
        help_text=_("When the token comes into being: nothing of it vests before. Empty: it is there"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("asset")
        verbose_name_plural = _("assets")
        constraints = [
            *site_rules("asset"),
            models.UniqueConstraint(fields=["site", "code"], name="asset_site_code_key"),
            # An amount in base units means another number of tokens under other decimals.
            Frozen(name="asset_frozen", fields=["site", "code", "decimals", "chain_id", "contract_address"]),
            models.CheckConstraint(condition=Q(decimals__lte=36), name="asset_decimals_at_most_36"),
            models.CheckConstraint(
                condition=Q(auto_approve_below_base_units__gte=0), name="asset_auto_approve_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(custody_provider__in=CustodyProvider.values), name="asset_custody_provider_known"
            ),
            # A direct transfer calls the token's contract; without one there is nothing to call.
            models.CheckConstraint(
                condition=~Q(custody_provider="evm") | ~Q(contract_address=""), name="asset_evm_has_contract"
            ),
            models.CheckConstraint(condition=Q(confirmations__gte=1), name="asset_confirmations_positive"),
        ]

    def __str__(self) -> str:
        return self.code
