"""Shapes of the outgoing webhooks' endpoints."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.shapes import StrictSerializer, UuidText, sent_like
from apps.subscriptions.catalogue import EVENT_TYPES
from apps.subscriptions.models import URL_LENGTH, Delivery, DeliveryStatus
from apps.subscriptions.services import url_check


class SubscriptionSerializer(serializers.Serializer[Any]):
    """An address and what is sent to it."""

    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(read_only=True)
    url = serializers.CharField(read_only=True)
    event_types = serializers.ListField(child=serializers.CharField(), read_only=True)
    is_active = serializers.BooleanField(read_only=True)
    stopped_code = serializers.CharField(read_only=True, help_text="`gone`: the receiver answered 410.")
    secret_version = serializers.IntegerField(read_only=True)
    old_secret_until = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Until then messages carry a second signature."
    )
    failures_in_a_row = serializers.IntegerField(read_only=True)
    quiet_until = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="After failures nothing is sent before this time."
    )
    created_at = serializers.DateTimeField(read_only=True)


class _Address(StrictSerializer):
    def validate_url(self, url: str) -> str:
        url_check(url)
        return url


class SubscriptionRequestSerializer(_Address):
    """A new subscription."""

    name = serializers.CharField(max_length=120)
    url = serializers.CharField(max_length=URL_LENGTH, help_text="https:// and a public host.")
    event_types = serializers.ListField(child=serializers.ChoiceField(choices=EVENT_TYPES), min_length=1)


@sent_like("No more of it", {"is_active": False})
class SubscriptionChangeSerializer(_Address):
    """What is to be changed; what is left out stays."""

    name = serializers.CharField(max_length=120, required=False)
    url = serializers.CharField(max_length=URL_LENGTH, required=False)
    event_types = serializers.ListField(
        child=serializers.ChoiceField(choices=EVENT_TYPES), min_length=1, required=False
    )
    is_active = serializers.BooleanField(required=False)


class SecretSerializer(serializers.Serializer[Any]):
    """What the receiver checks signatures with."""

    secret = serializers.CharField(
        help_text="`whsec_` and base64, as the Standard Webhooks libraries take it."
    )
    secret_version = serializers.IntegerField()


class TrySerializer(serializers.Serializer[Any]):
    """One request that was sent."""

    at = serializers.DateTimeField(read_only=True)
    http_status = serializers.IntegerField(read_only=True, allow_null=True)
    error_code = serializers.CharField(read_only=True)
    duration_ms = serializers.IntegerField(read_only=True)


class DeliverySerializer(serializers.Serializer[Any]):
    """One event for one subscription. ``event_id`` is the message's `webhook-id`."""

    id = serializers.UUIDField(read_only=True)
    subscription_id = serializers.UUIDField(read_only=True)
    event_id = serializers.UUIDField(read_only=True)
    event_type = serializers.CharField(source="event.event_type", read_only=True)
    object_id = serializers.UUIDField(source="event.object_id", read_only=True)
    occurred_at = serializers.DateTimeField(source="event.occurred_at", read_only=True)
    status = serializers.ChoiceField(choices=DeliveryStatus.choices, read_only=True)
    attempts = serializers.IntegerField(read_only=True)
    next_attempt_at = serializers.DateTimeField(read_only=True, allow_null=True)
    delivered_at = serializers.DateTimeField(read_only=True, allow_null=True)


class DeliveryLogSerializer(DeliverySerializer):
    """A delivery with what was sent and the log of its requests; its context has ``tries``."""

    event = serializers.SerializerMethodField(help_text="The message's `data`.")
    tries = serializers.SerializerMethodField()

    def get_event(self, delivery: Delivery) -> dict[str, Any]:
        return dict(delivery.event.data)

    def get_tries(self, _delivery: Any) -> TrySerializer(many=True):  # type: ignore[valid-type]
        return TrySerializer(self.context["tries"], many=True).data


class DeliveryFilterSerializer(serializers.Serializer[Any]):
    """Filters of the list."""

    subscription_id = UuidText(required=False)
    status = serializers.ChoiceField(choices=DeliveryStatus.choices, required=False)


class ResentSerializer(serializers.Serializer[Any]):
    """How many deliveries were asked for again."""

    deliveries = serializers.IntegerField()
