"""Whether new transfers may leave: not from a database that was away, until it knows what left meanwhile."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class SendingFence(models.Model):
    """One row. ``alive_at`` is written by each round of payouts; a gap in it is a stop, or a restored backup.

    ``closed_from``: since when transfers may have left that no row knows; nothing is sent while it is set.
    ``explained`` holds, by the transfer's id, why a person lets one stand that no payout is the reason of.
    """

    name = models.CharField(_("name"), max_length=16, primary_key=True)
    alive_at = models.DateTimeField(_("last round at"))
    closed_from = models.DateTimeField(_("transfers to be read from"), null=True, blank=True)
    read_at = models.DateTimeField(_("read at"), null=True, blank=True)
    lost_count = models.PositiveIntegerField(_("transfers that no row knows"), default=0)
    explained = models.JSONField(_("explained by a person"), default=dict, blank=True)

    class Meta:
        verbose_name = _("fence of sending")
        verbose_name_plural = _("fences of sending")

    def __str__(self) -> str:
        return self.name
