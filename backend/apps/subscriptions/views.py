"""Outgoing webhooks for staff: subscriptions, their secrets, and what became of each delivery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import OPERATORS, STAFF, MemberView
from apps.core.paging import KeysetPagination
from apps.core.problems import Problem
from apps.core.shapes import PROBLEM
from apps.idempotency.answered_once import KEY_PARAMETER, answered_once
from apps.idempotency.header import idempotency_request
from apps.subscriptions.models import DeliveryStatus, Subscription
from apps.subscriptions.queries import deliveries, subscription_of_site, subscriptions, tries_of
from apps.subscriptions.serializers import (
    DeliveryFilterSerializer,
    DeliveryLogSerializer,
    DeliverySerializer,
    ResentSerializer,
    SecretSerializer,
    SubscriptionChangeSerializer,
    SubscriptionRequestSerializer,
    SubscriptionSerializer,
)
from apps.subscriptions.services import (
    deliveries_resend,
    deliveries_resend_failed,
    secret_of,
    secret_rotate,
    subscription_change,
    subscription_create,
    subscription_try,
)

_REFUSALS = {400: PROBLEM, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM, 422: PROBLEM}
_NEW = OpenApiExample(
    "A subscription",
    value={
        "name": "Ledger",
        "url": "https://ledger.example.com/hooks/posx",
        "event_types": ["order.paid", "payout.paid"],
    },
    request_only=True,
)


class _OnceView(MemberView):
    """Writes once for each Idempotency-Key."""

    write_roles = OPERATORS

    def once(
        self, request: Request, operation: str, effect: Callable[[], dict[str, Any]], status: int = 200
    ) -> Response:
        claimed = idempotency_request(request, operation)
        with self.writing():
            return answered_once(claimed, lambda _target: (status, effect()))


class SubscriptionsView(_OnceView):
    """The site's subscriptions."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_webhooks_list",
        responses={200: SubscriptionSerializer(many=True), 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """The subscriptions of this site, the newest first."""
        with self.reading():
            page = KeysetPagination()
            rows = page.paginate_queryset(subscriptions(), request, self)
            return page.get_paginated_response(SubscriptionSerializer(rows, many=True).data)

    @extend_schema(
        operation_id="staff_webhooks_create",
        parameters=[KEY_PARAMETER],
        request=SubscriptionRequestSerializer,
        responses={201: SubscriptionSerializer, **_REFUSALS},
        examples=[_NEW],
    )
    def post(self, request: Request) -> Response:
        """Subscribe an address. Its secret is at `.../secret/`.

        400 names what is wrong with the address: `host_private`, `host_unknown`, `url_not_https`, `url_has_login`,
        `url_malformed`. 409 `subscription_name_taken`, `subscription_limit`.
        """
        claimed = idempotency_request(request, "POST /api/v1/staff/webhooks/")
        with self.writing():
            asked = SubscriptionRequestSerializer(data=request.data)
            asked.is_valid(raise_exception=True)

            def made(_target: UUID) -> tuple[int, dict[str, Any]]:
                return 201, dict(SubscriptionSerializer(subscription_create(**asked.validated_data)).data)

            return answered_once(claimed, made)


class SubscriptionView(MemberView):
    """One subscription."""

    read_roles = STAFF
    write_roles = OPERATORS

    @extend_schema(
        operation_id="staff_webhooks_read",
        responses={200: SubscriptionSerializer, 403: PROBLEM, 404: PROBLEM},
    )
    def get(self, _request: Request, subscription_id: UUID) -> Response:
        """A subscription, with how it is doing."""
        with self.reading():
            return Response(SubscriptionSerializer(_subscription(subscription_id)).data)

    @extend_schema(
        operation_id="staff_webhooks_change",
        request=SubscriptionChangeSerializer,
        responses={200: SubscriptionSerializer, 400: PROBLEM, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM},
    )
    def patch(self, request: Request, subscription_id: UUID) -> Response:
        """Change it. Switched off, it gets nothing and what waits for it is given up; on again, it starts afresh."""
        with self.writing():
            asked = SubscriptionChangeSerializer(data=request.data)
            asked.is_valid(raise_exception=True)
            row = subscription_change(subscription_id=subscription_id, **asked.validated_data)
        return Response(SubscriptionSerializer(row).data)


class SecretView(MemberView):
    """The secret of a subscription."""

    read_roles = OPERATORS

    @extend_schema(
        operation_id="staff_webhooks_secret",
        responses={200: SecretSerializer, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM},
    )
    def get(self, _request: Request, subscription_id: UUID) -> Response:
        """What the receiver checks signatures with. 409 `secret_unreadable`: rotate it."""
        with self.reading():
            row = _subscription(subscription_id)
            shown = {"secret": secret_of(row), "secret_version": row.secret_version}
        return Response(shown, headers={"Cache-Control": "no-store"})


class RotateSecretView(_OnceView):
    """Another secret."""

    @extend_schema(
        operation_id="staff_webhooks_rotate_secret",
        parameters=[KEY_PARAMETER],
        request=None,
        responses={200: SubscriptionSerializer, **_REFUSALS},
    )
    def post(self, request: Request, subscription_id: UUID) -> Response:
        """Make a new secret; for 24 hours messages are signed by the old one as well."""
        return self.once(
            request,
            f"POST /api/v1/staff/webhooks/{subscription_id}/rotate-secret/",
            lambda: dict(SubscriptionSerializer(secret_rotate(subscription_id=subscription_id)).data),
        )


class TestView(_OnceView):
    """A test message."""

    @extend_schema(
        operation_id="staff_webhooks_test",
        parameters=[KEY_PARAMETER],
        request=None,
        responses={202: DeliverySerializer, **_REFUSALS},
    )
    def post(self, request: Request, subscription_id: UUID) -> Response:
        """Send a `webhook.test` message; its delivery says what became of it."""
        return self.once(
            request,
            f"POST /api/v1/staff/webhooks/{subscription_id}/test/",
            lambda: dict(DeliverySerializer(subscription_try(subscription_id=subscription_id)).data),
            status=202,
        )


class ResendFailedView(_OnceView):
    """What was given up, again."""

    @extend_schema(
        operation_id="staff_webhooks_resend_failed",
        parameters=[KEY_PARAMETER],
        request=None,
        responses={202: ResentSerializer, **_REFUSALS},
    )
    def post(self, request: Request, subscription_id: UUID) -> Response:
        """Send again what was given up, the oldest 1000 of it; repeat with another key until it answers 0."""
        return self.once(
            request,
            f"POST /api/v1/staff/webhooks/{subscription_id}/resend-failed/",
            lambda: {"deliveries": deliveries_resend_failed(subscription_id=subscription_id)},
            status=202,
        )


class DeliveriesView(MemberView):
    """The log."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_webhook_deliveries_list",
        parameters=[
            OpenApiParameter("subscription_id", OpenApiTypes.UUID, description="Only this subscription's."),
            OpenApiParameter("status", str, enum=DeliveryStatus.values, description="Only in this state."),
        ],
        responses={200: DeliverySerializer(many=True), 400: PROBLEM, 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """The deliveries of this site, the newest first."""
        wanted = DeliveryFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        with self.reading():
            page = KeysetPagination()
            rows = page.paginate_queryset(deliveries(**wanted.validated_data), request, self)
            return page.get_paginated_response(DeliverySerializer(rows, many=True).data)


class DeliveryView(MemberView):
    """One delivery."""

    read_roles = STAFF

    @extend_schema(
        operation_id="staff_webhook_deliveries_read",
        responses={200: DeliveryLogSerializer, 403: PROBLEM, 404: PROBLEM},
    )
    def get(self, _request: Request, delivery_id: UUID) -> Response:
        """A delivery with its data and every request that was made for it."""
        with self.reading():
            row = deliveries().filter(id=delivery_id).first()
            if row is None:
                raise Problem("not_found", 404, _("There is no such delivery."))
            shown = DeliveryLogSerializer(row, context={"tries": tries_of(delivery_id=row.id)})
            return Response(shown.data)


class ResendView(_OnceView):
    """One delivery, again."""

    @extend_schema(
        operation_id="staff_webhook_deliveries_resend",
        parameters=[KEY_PARAMETER],
        request=None,
        responses={202: ResentSerializer, **_REFUSALS},
    )
    def post(self, request: Request, delivery_id: UUID) -> Response:
        """Send it again, with the same `webhook-id`: a receiver that has had it knows it."""
        return self.once(
            request,
            f"POST /api/v1/staff/webhook-deliveries/{delivery_id}/resend/",
            lambda: {"deliveries": deliveries_resend(delivery_ids=[delivery_id])},
            status=202,
        )


def _subscription(subscription_id: UUID) -> Subscription:
    row = subscription_of_site(subscription_id=subscription_id)
    if row is None:
        raise Problem("not_found", 404, _("There is no such subscription."))
    return row
