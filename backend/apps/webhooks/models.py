"""The inbox: what providers announced, and whether it was acted on. It holds ids and a hash, never a payload."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.core.ids import uuid7
from apps.core.rules import NeverBack, Transitions


class Provider(models.TextChoices):
    STRIPE = "stripe", "Stripe"
    FIREBLOCKS = "fireblocks", "Fireblocks"


class EventStatus(models.TextChoices):
    RECEIVED = "received", _("Received")
    HANDLED = "handled", _("Handled")
    IGNORED = "ignored", _("Ignored")
    FAILED = "failed", _("Failed")


class InboxEvent(models.Model):
    """One event of a provider, known once by (provider, event id), however often it is delivered.

    ``next_attempt_at`` is when it is due; a worker that takes it moves it a lease ahead.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(_("provider"), max_length=12, choices=Provider.choices)
    event_id = models.CharField(_("event id"), max_length=255)
    event_type = models.CharField(_("event type"), max_length=120)
    object_id = models.CharField(_("object id"), max_length=255, blank=True)
    payload_sha256 = models.CharField(_("payload hash"), max_length=64)
    status = models.CharField(
        _("status"), max_length=8, choices=EventStatus.choices, default=EventStatus.RECEIVED
    )
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt at"))
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    received_at = models.DateTimeField(_("received at"), auto_now_add=True)
    handled_at = models.DateTimeField(_("handled at"), null=True, blank=True)

    class Meta:
        verbose_name = _("inbox event")
        verbose_name_plural = _("inbox")
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(status__in=["received", "failed"]),
                name="inboxevent_due",
            ),
            models.Index(fields=["object_id"], name="inboxevent_object"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="inboxevent_once"),
            models.CheckConstraint(
                condition=Q(provider__in=Provider.values), name="inboxevent_provider_known"
            ),
            Transitions(
                name="inboxevent_states",
                field="status",
                born=["received"],
                edges={
                    "received": ["handled", "ignored", "failed"],
                    "failed": ["received", "handled", "ignored"],
                },
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_type}"


class EventCursor(models.Model):
    """How far a provider's own list of events has been read into the inbox; one row for each provider.

    A list comes newest first, so one walk goes from ``walk_until`` (its newest event's time) back to ``read_until``,
    over as many rounds as it takes; only its end moves ``read_until``. Both are times of the provider's clock.
    ``rounds`` counts claims: only the holder of the last one may write.
    """

    provider = models.CharField(_("provider"), primary_key=True, max_length=12, choices=Provider.choices)
    read_until = models.DateTimeField(_("read until"))
    walk_until = models.DateTimeField(_("walk until"), null=True, blank=True)
    walk_after_id = models.CharField(_("walk goes on after"), max_length=255, blank=True, db_default="")
    rounds = models.PositiveBigIntegerField(_("rounds"), default=0, db_default=0)
    next_round_at = models.DateTimeField(_("next round at"), db_default=Now())

    class Meta:
        verbose_name = _("event cursor")
        verbose_name_plural = _("event cursors")
        constraints = [
            models.CheckConstraint(
                condition=Q(provider__in=Provider.values), name="eventcursor_provider_known"
            ),
            models.CheckConstraint(
                condition=Q(walk_until__isnull=True, walk_after_id="")
                | (Q(walk_until__isnull=False) & ~Q(walk_after_id="")),
                name="eventcursor_walk_whole",
            ),
            NeverBack(name="eventcursor_only_forward", field="read_until"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} until {self.read_until}"
