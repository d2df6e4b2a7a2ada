"""The append-only history of everything that changes a claim to money or tokens."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.core.rules import AppendOnly
from apps.sites.owned import SiteOwned
from apps.sites.rules.policy import site_rules


class AuditEvent(SiteOwned):
    """One change of one row. Written by triggers only (``trail.AuditTrail``).

    The actor is text and not a foreign key: history outlives the people and processes in it.
    """

    at = models.DateTimeField(_("at"))
    actor_kind = models.CharField(_("actor kind"), max_length=16)
    actor_id = models.CharField(_("actor"), max_length=255)
    request_id = models.CharField(_("request id"), max_length=64, blank=True)
    table_name = models.CharField(_("table"), max_length=63)
    row_id = models.UUIDField(_("row"))
    action = models.CharField(_("action"), max_length=6)
    before = models.JSONField(_("before"), null=True)
    after = models.JSONField(_("after"), null=True)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        indexes = [
            models.Index(fields=["site", "id"], name="audit_site_time"),
            models.Index(fields=["site", "row_id", "id"], name="audit_site_row"),
        ]
        constraints = [
            *site_rules("auditevent", referenced=False, grants=("SELECT", "INSERT")),
            AppendOnly(name="auditevent_append_only"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.table_name}"
