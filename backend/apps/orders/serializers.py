"""Shapes of the order endpoints. Requests are strict; token amounts are text."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.amounts import format_base_units
from apps.core.shapes import EXAMPLE_ID, StrictSerializer, UuidText, WholeNumber, base_units_text, sent_like
from apps.orders.models import Order, OrderStatus, RefundOrigin, RefundStatus

# A unit costs at least one minor unit, and Stripe takes amounts of eight digits at most
# (https://docs.stripe.com/api/payment_intents/create, "amount").
AMOUNT_MINOR_MAX = 99_999_999


@sent_like("Three units", {"tier_id": EXAMPLE_ID, "quantity_units": 3, "wallet_id": EXAMPLE_ID})
class OrderRequestSerializer(StrictSerializer):
    """What a buyer asks for."""

    tier_id = UuidText()
    quantity_units = WholeNumber(min_value=1, max_value=AMOUNT_MINOR_MAX)
    wallet_id = UuidText(help_text="Your active wallet.")


class OrderSerializer(serializers.Serializer[Any]):
    """An order as its buyer sees it."""

    id = serializers.UUIDField(read_only=True)
    status = serializers.ChoiceField(choices=OrderStatus.choices, read_only=True)
    tier_id = serializers.UUIDField(read_only=True)
    wallet_id = serializers.UUIDField(read_only=True)
    policy_id = serializers.UUIDField(read_only=True)
    allocation_id = serializers.UUIDField(read_only=True, allow_null=True)
    quantity_units = serializers.IntegerField(read_only=True)
    price_minor = serializers.IntegerField(read_only=True, help_text="Of a unit.")
    amount_minor = serializers.IntegerField(read_only=True)
    currency = serializers.CharField(read_only=True)
    tokens = serializers.SerializerMethodField(help_text="Whole tokens.")
    tokens_base_units = base_units_text()
    refunded_minor = serializers.IntegerField(read_only=True)
    lost_minor = serializers.IntegerField(read_only=True, help_text="Taken back by the bank in disputes.")
    payment_intent_id = serializers.CharField(read_only=True, help_text="Empty until Stripe has answered.")
    expires_at = serializers.DateTimeField(read_only=True, help_text="The units are held until then.")
    created_at = serializers.DateTimeField(read_only=True)
    paid_at = serializers.DateTimeField(read_only=True, allow_null=True)
    closed_at = serializers.DateTimeField(read_only=True, allow_null=True)

    def get_tokens(self, order: Order) -> str:
        return format_base_units(order.tokens_base_units, order.tier.asset.decimals)


class PlacedOrderSerializer(OrderSerializer):
    """A new order with what the buyer's browser pays it with."""

    client_secret = serializers.CharField(
        read_only=True, allow_null=True, help_text="For Stripe.js; null when there is nothing to pay."
    )


class StaffOrderSerializer(OrderSerializer):
    """An order as staff see it."""

    buyer_id = serializers.UUIDField(read_only=True)
    problem_code = serializers.CharField(read_only=True, help_text="Why a person has to look; else empty.")
    next_check_at = serializers.DateTimeField(read_only=True, allow_null=True)
    check_attempts = serializers.IntegerField(read_only=True)


@sent_like("A part of it", {"amount_minor": 2500, "reason": "One unit too many"})
class RefundRequestSerializer(StrictSerializer):
    """What staff give back, and why."""

    amount_minor = WholeNumber(min_value=1, max_value=AMOUNT_MINOR_MAX)
    reason = serializers.CharField(max_length=500)


class RefundSerializer(serializers.Serializer[Any]):
    """A refund as staff see it."""

    id = serializers.UUIDField(read_only=True)
    order_id = serializers.UUIDField(read_only=True)
    amount_minor = serializers.IntegerField(read_only=True)
    origin = serializers.ChoiceField(choices=RefundOrigin.choices, read_only=True)
    reason = serializers.CharField(read_only=True)
    requested_by_id = serializers.UUIDField(read_only=True, allow_null=True)
    status = serializers.ChoiceField(choices=RefundStatus.choices, read_only=True)
    stripe_refund_id = serializers.CharField(read_only=True, help_text="Empty until Stripe has answered.")
    failure_code = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    settled_at = serializers.DateTimeField(read_only=True, allow_null=True)


class OrderFilterSerializer(serializers.Serializer[Any]):
    """Filters of the order lists."""

    status = serializers.ChoiceField(choices=OrderStatus.choices, required=False)


def order_document(order: Order) -> dict[str, Any]:
    """The JSON that a buyer sees, ready to be stored; the order comes with its tier and asset."""
    return dict(OrderSerializer(order).data)
