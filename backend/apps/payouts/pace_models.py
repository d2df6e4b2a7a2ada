"""How fast custody providers are asked, and which site's turn it is.

None of it belongs to a site: a provider counts the calls of our one API user, and a round goes over all sites.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.sites.models import CustodyProvider


class ProviderPace(models.Model):
    """One provider's allowance of calls. ``free_at``: when all of it is there again (apps/payouts/custody/pace.py).

    ``paused_until`` is how long the provider told us to stay away.
    """

    provider = models.CharField(
        _("custody provider"), max_length=16, choices=CustodyProvider.choices, primary_key=True
    )
    free_at = models.DateTimeField(_("whole allowance again at"))
    paused_until = models.DateTimeField(_("asked to wait until"), null=True, blank=True)

    class Meta:
        verbose_name = _("pace of a provider")
        verbose_name_plural = _("paces of providers")

    def __str__(self) -> str:
        return self.provider


class SweepTurn(models.Model):
    """After which site the next round of a queue begins, so that a round cut short leaves nobody out for ever."""

    queue = models.CharField(_("queue"), max_length=40, primary_key=True)
    last_served = models.UUIDField(_("site served last"))
    served_at = models.DateTimeField(_("served at"))

    class Meta:
        verbose_name = _("turn of a queue")
        verbose_name_plural = _("turns of queues")

    def __str__(self) -> str:
        return self.queue
