"""Outgoing webhooks: who wants to hear what, what happened, and whether they were told."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.audit.trail import AuditTrail
from apps.core.rules import AppendOnly, Frozen, Transitions
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.lookup import DueQueue
from apps.sites.rules.policy import site_rules

URL_LENGTH = 2000


class Subscription(SiteOwned):
    """An address of the site's own systems, and the event types that are sent to it.

    ``secret_sealed`` is encrypted (sealing.py); during a rotation ``old_secret_sealed`` signs too, until
    ``old_secret_until``. After a failure nothing is sent to it before ``quiet_until``.
    """

    name = models.CharField(_("name"), max_length=120)
    url = models.CharField(_("address"), max_length=URL_LENGTH)
    event_types = ArrayField(models.CharField(max_length=40), verbose_name=_("event types"))
    is_active = models.BooleanField(_("active"), default=True)
    stopped_code = models.CharField(_("stopped because"), max_length=40, blank=True, default="")
    secret_sealed = models.TextField(_("secret (encrypted)"), editable=False)
    old_secret_sealed = models.TextField(_("old secret (encrypted)"), blank=True, default="", editable=False)
    old_secret_until = models.DateTimeField(_("old secret until"), null=True, blank=True, editable=False)
    secret_version = models.PositiveIntegerField(_("secret version"), default=1, editable=False)
    failures_in_a_row = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    quiet_until = models.DateTimeField(_("quiet until"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        constraints = [
            *site_rules("subscription"),
            models.UniqueConstraint(fields=["site", "name"], name="subscription_name_once"),
            models.CheckConstraint(condition=Q(event_types__len__gt=0), name="subscription_wants_something"),
            models.CheckConstraint(
                condition=Q(url__startswith="https://") | Q(url__startswith="http://"),
                name="subscription_url_form",
            ),
            AuditTrail(
                name="subscription_audit",
                fields=["name", "url", "event_types", "is_active", "stopped_code", "secret_version"],
            ),
        ]

    def __str__(self) -> str:
        return self.name


class OutgoingEvent(SiteOwned):
    """Something that happened and that somebody subscribed to. Written by triggers (announcer.py), never changed."""

    event_type = models.CharField(_("event type"), max_length=40)
    object_id = models.UUIDField(_("object"))
    data = models.JSONField(_("data"))
    occurred_at = models.DateTimeField(_("occurred at"))

    class Meta:
        verbose_name = _("outgoing event")
        verbose_name_plural = _("outgoing events")
        indexes = [models.Index(fields=["site", "object_id", "id"], name="outgoingevent_object")]
        constraints = [
            *site_rules("outgoingevent", grants=["SELECT", "INSERT"]),
            AppendOnly(name="outgoingevent_append_only"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.object_id}"


class DeliveryStatus(models.TextChoices):
    PENDING = "pending", _("Pending")
    DELIVERED = "delivered", _("Delivered")
    FAILED = "failed", _("Given up")


class Delivery(SiteOwned):
    """One event for one subscription. ``next_attempt_at`` is when it is due; who takes it moves it a lease ahead.

    ``attempts`` counts since it was asked for (by the event, or by whoever wants it again); ``claims`` counts all, and
    only the last claim may write.
    """

    subscription = SiteForeignKey(Subscription)
    event = SiteForeignKey(OutgoingEvent)
    status = models.CharField(
        _("status"), max_length=9, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING
    )
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    claims = models.PositiveIntegerField(_("claims"), default=0)
    asked_at = models.DateTimeField(_("asked for at"))
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = [
            models.Index(
                fields=["site", "next_attempt_at"],
                condition=Q(status="pending"),
                name="delivery_due",
            ),
            models.Index(fields=["site", "subscription", "id"], name="delivery_subscription"),
            models.Index(fields=["site", "subscription", "status", "id"], name="delivery_sub_status"),
            models.Index(fields=["site", "status", "id"], name="delivery_status"),
        ]
        constraints = [
            *site_rules("delivery", references=["subscription", "event"]),
            models.UniqueConstraint(fields=["site", "event", "subscription"], name="delivery_once"),
            # One that no sweeper can find would be lost in silence.
            models.CheckConstraint(
                condition=Q(status="pending", next_attempt_at__isnull=False)
                | (~Q(status="pending") & Q(next_attempt_at__isnull=True)),
                name="delivery_pending_is_due",
            ),
            models.CheckConstraint(
                condition=Q(status="delivered", delivered_at__isnull=False) | ~Q(status="delivered"),
                name="delivery_delivered_has_time",
            ),
            Transitions(
                name="delivery_states",
                field="status",
                born=["pending"],
                edges={
                    "pending": ["delivered", "failed"],
                    "delivered": ["pending"],
                    "failed": ["pending"],
                },
            ),
            Frozen(name="delivery_frozen", fields=["site", "subscription", "event"]),
            DueQueue(
                name="due_sites_deliveries",
                due="next_attempt_at",
                when="w.status = 'pending'",
                reads=["status"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id} {self.status}"


class DeliveryTry(SiteOwned):
    """One request that was sent, and what came back. What a receiver answers is not kept: it may hold anything."""

    delivery = SiteForeignKey(Delivery)
    at = models.DateTimeField(_("at"))
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    duration_ms = models.PositiveIntegerField(_("duration (ms)"))

    class Meta:
        verbose_name = _("delivery attempt")
        verbose_name_plural = _("delivery attempts")
        indexes = [models.Index(fields=["site", "delivery", "id"], name="deliverytry_delivery")]
        constraints = [
            *site_rules(
                "deliverytry", references=["delivery"], referenced=False, grants=["SELECT", "INSERT"]
            ),
            AppendOnly(name="deliverytry_append_only"),
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.http_status or self.error_code}"
