"""What Fireblocks said about the assets that a site pays out."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.core.rules import Frozen
from apps.sites.owned import SiteOwned
from apps.sites.rules.policy import site_rules


class FireblocksAsset(SiteOwned):
    """That the provider was asked for an asset's decimals, and what it said: asked once, before the first payout."""

    custody_asset_id = models.CharField(_("custody asset id"), max_length=64)
    decimals = models.PositiveSmallIntegerField(_("decimals"))
    checked_at = models.DateTimeField(_("checked at"), auto_now_add=True)

    class Meta:
        verbose_name = _("checked Fireblocks asset")
        verbose_name_plural = _("checked Fireblocks assets")
        constraints = [
            *site_rules("fireblocksasset", referenced=False, grants=("SELECT", "INSERT")),
            models.UniqueConstraint(fields=["site", "custody_asset_id"], name="fireblocksasset_once"),
            Frozen(name="fireblocksasset_frozen", fields=["site", "custody_asset_id", "decimals"]),
        ]

    def __str__(self) -> str:
        return f"{self.custody_asset_id} ({self.decimals})"
