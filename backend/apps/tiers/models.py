"""What is on sale, and how much of it is left."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Membership
from apps.audit.trail import AuditTrail
from apps.core.amounts import BaseUnitsField
from apps.core.rules import Frozen
from apps.sites.models import Asset
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.policy import site_rules
from apps.vesting.models import VestingPolicy


class Tier(SiteOwned):
    """An offer: so many tokens a unit at a price, from a supply, within a window.

    ``reserved_units`` and ``sold_units`` move by guarded updates in services only; the CHECKs stand behind them.
    """

    asset = SiteForeignKey(Asset)
    policy = SiteForeignKey(VestingPolicy)
    name = models.CharField(_("name"), max_length=120)
    price_minor = models.PositiveBigIntegerField(_("price a unit (minor units)"))
    currency = models.CharField(_("currency"), max_length=3, validators=[RegexValidator(r"^[A-Z]{3}\Z")])
    tokens_per_unit_base_units = BaseUnitsField(_("tokens a unit (base units)"))
    supply_units = models.PositiveBigIntegerField(_("supply (units)"))
    reserved_units = models.PositiveBigIntegerField(_("reserved (units)"), default=0, editable=False)
    sold_units = models.PositiveBigIntegerField(_("sold (units)"), default=0, editable=False)
    per_buyer_limit_units = models.PositiveBigIntegerField(_("limit a buyer (units)"), null=True, blank=True)
    opens_at = models.DateTimeField(_("opens at"))
    closes_at = models.DateTimeField(_("closes at"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        constraints = [
            *site_rules("tier", references=["asset", "policy"]),
            models.CheckConstraint(condition=Q(price_minor__gt=0), name="tier_price_positive"),
            models.CheckConstraint(
                condition=Q(tokens_per_unit_base_units__gt=0), name="tier_tokens_positive"
            ),
            models.CheckConstraint(condition=Q(supply_units__gt=0), name="tier_supply_positive"),
            models.CheckConstraint(
                condition=Q(supply_units__gte=F("reserved_units") + F("sold_units")), name="tier_not_oversold"
            ),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="tier_currency_form"),
            models.CheckConstraint(
                condition=Q(closes_at__isnull=True) | Q(closes_at__gt=F("opens_at")),
                name="tier_window_forward",
            ),
            Frozen(name="tier_frozen", fields=["site", "asset"]),
            AuditTrail(
                name="tier_audit",
                fields=[
                    "name",
                    "price_minor",
                    "currency",
                    "tokens_per_unit_base_units",
                    "supply_units",
                    "per_buyer_limit_units",
                    "opens_at",
                    "closes_at",
                    "is_active",
                    "policy",
                ],
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BuyerUnits(SiteOwned):
    """How many units of a tier one buyer has reserved and bought: the row that a per-buyer limit is held on."""

    tier = SiteForeignKey(Tier)
    buyer = SiteForeignKey(Membership)
    reserved_units = models.PositiveBigIntegerField(_("reserved (units)"), default=0)
    sold_units = models.PositiveBigIntegerField(_("sold (units)"), default=0)

    class Meta:
        verbose_name = _("units of a buyer")
        verbose_name_plural = _("units of buyers")
        constraints = [
            *site_rules("buyerunits", references=["tier", "buyer"], referenced=False),
            models.UniqueConstraint(fields=["site", "tier", "buyer"], name="buyerunits_once"),
            Frozen(name="buyerunits_frozen", fields=["site", "tier", "buyer"]),
        ]

    def __str__(self) -> str:
        return f"{self.reserved_units} + {self.sold_units}"
