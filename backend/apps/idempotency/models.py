"""One row for each Idempotency-Key that a caller used for one operation."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.sites.owned import SiteOwned
from apps.sites.rules.lookup import DueQueue
from apps.sites.rules.policy import site_rules


class IdempotencyKey(SiteOwned):
    """A claim while ``completed_at`` is null (until ``lease_until``), then the stored answer."""

    caller = models.CharField(_("caller"), max_length=255)
    operation = models.CharField(_("operation"), max_length=120, help_text=_("method and route"))
    key = models.CharField(_("key"), max_length=255)
    body_sha256 = models.CharField(_("body hash"), max_length=64)
    target_id = models.UUIDField(_("made row"), null=True)
    lease_until = models.DateTimeField(_("lease until"))
    response_status = models.PositiveSmallIntegerField(_("response status"), null=True)
    response_body = models.JSONField(_("response body"), null=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    completed_at = models.DateTimeField(_("completed at"), null=True)

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        indexes = [models.Index(fields=["site", "created_at"], name="idempotencykey_site_age")]
        constraints = [
            *site_rules("idempotencykey", referenced=False, grants=("SELECT", "INSERT", "UPDATE", "DELETE")),
            models.UniqueConstraint(
                fields=["site", "caller", "operation", "key"], name="idempotencykey_once"
            ),
            models.CheckConstraint(
                condition=Q(completed_at__isnull=True) | Q(response_status__isnull=False),
                name="idempotencykey_completed_has_response",
            ),
            DueQueue(name="due_sites_idempotency", due="created_at", when="true", reads=[]),
        ]

    def __str__(self) -> str:
        return self.operation
