"""A buyer's orders, and those of the site for staff."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import APPROVERS, STAFF, MemberView
from apps.core.paging import KeysetPagination
from apps.core.problems import CONTENT_TYPE
from apps.core.shapes import PROBLEM
from apps.idempotency.answered_once import KEY_PARAMETER, answered_once
from apps.idempotency.header import HEADER, REPLAYED_HEADER, idempotency_request
from apps.orders.models import OrderStatus
from apps.orders.problems import order_unknown
from apps.orders.queries import (
    order_of_buyer,
    order_of_site,
    orders_of_buyer,
    orders_of_site,
    refunds_of_order,
)
from apps.orders.serializers import (
    OrderFilterSerializer,
    OrderRequestSerializer,
    OrderSerializer,
    PlacedOrderSerializer,
    RefundRequestSerializer,
    RefundSerializer,
    StaffOrderSerializer,
)
from apps.orders.services import OrderAnswer, OrderWish, order_cancel, order_create, refund_request

_STATUS = OpenApiParameter("status", str, enum=OrderStatus.values, description="Only orders in this state.")
_KEY = OpenApiParameter(
    HEADER, str, OpenApiParameter.HEADER, required=True, description="A new random one for each order."
)


class OrdersView(MemberView):
    """The caller's orders."""

    pagination_class = KeysetPagination
    keyset = ("-created_at", "-id")

    @extend_schema(
        operation_id="orders_list",
        parameters=[_STATUS],
        responses={200: OrderSerializer(many=True), 400: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """Your orders, the newest first."""
        status = _status(request)
        with self.reading() as member:
            page = KeysetPagination()
            orders = orders_of_buyer(buyer_id=member.id, status=status)
            rows = page.paginate_queryset(orders, request, self)
            return page.get_paginated_response(OrderSerializer(rows, many=True).data)

    @extend_schema(
        operation_id="orders_create",
        parameters=[_KEY],
        request=OrderRequestSerializer,
        responses={
            201: PlacedOrderSerializer,
            400: PROBLEM,
            404: PROBLEM,
            409: PROBLEM,
            422: PROBLEM,
            503: PROBLEM,
        },
    )
    def post(self, request: Request) -> Response:
        """Reserve units of a tier and start paying for them; the units are held for some minutes.

        Pay with `client_secret` in Stripe.js. The same Idempotency-Key and body again answer the same order,
        marked by the header Idempotency-Replayed. 404 `unknown_tier`; 409 `tier_closed`, `sold_out`,
        `buyer_limit_reached`, `wallet_not_usable`, `currency_not_accepted`, `idempotency_in_progress`;
        422 `order_too_large`, `payment_refused`, `idempotency_key_reused`; 503 `payment_provider_unavailable`:
        send the same request again.
        """
        claimed = idempotency_request(request, "POST /api/v1/orders/")
        asked = OrderRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with self.writing() as member:
            wish = OrderWish(buyer_id=member.id, **asked.validated_data)
            answer = order_create(request=claimed, wish=wish)
        return _answered(answer)


class OrderView(MemberView):
    """One of the caller's orders."""

    @extend_schema(operation_id="orders_read", responses={200: OrderSerializer, 404: PROBLEM})
    def get(self, request: Request, order_id: UUID) -> Response:
        """One of your orders. 404 `unknown_order`."""
        with self.reading() as member:
            order = order_of_buyer(order_id=order_id, buyer_id=member.id)
            if order is None:
                raise order_unknown()
            return Response(OrderSerializer(order).data)


class OrderCancelView(MemberView):
    """Taking an order back."""

    @extend_schema(
        operation_id="orders_cancel",
        request=None,
        responses={200: OrderSerializer, 404: PROBLEM, 409: PROBLEM, 503: PROBLEM},
    )
    def post(self, request: Request, order_id: UUID) -> Response:
        """Cancel your pending order and give its units back. Doing it twice answers the same.

        409 `order_already_paid`, `payment_in_progress`, `order_closed`, `order_under_review`.
        """
        with self.writing() as member:
            order = order_cancel(order_id=order_id, buyer_id=member.id)
        return Response(OrderSerializer(order).data)


class StaffOrdersView(MemberView):
    """Orders of the site."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    keyset = ("-created_at", "-id")

    @extend_schema(
        operation_id="staff_orders_list",
        parameters=[_STATUS],
        responses={200: StaffOrderSerializer(many=True), 400: PROBLEM, 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """All orders of this site, the newest first."""
        status = _status(request)
        with self.reading():
            page = KeysetPagination()
            rows = page.paginate_queryset(orders_of_site(status=status), request, self)
            return page.get_paginated_response(StaffOrderSerializer(rows, many=True).data)


class StaffOrderView(MemberView):
    """One order of the site."""

    read_roles = STAFF

    @extend_schema(
        operation_id="staff_orders_read",
        responses={200: StaffOrderSerializer, 403: PROBLEM, 404: PROBLEM},
    )
    def get(self, request: Request, order_id: UUID) -> Response:
        """One order of this site. 404 `unknown_order`."""
        with self.reading():
            order = order_of_site(order_id=order_id)
            if order is None:
                raise order_unknown()
            return Response(StaffOrderSerializer(order).data)


class StaffRefundsView(MemberView):
    """Refunds of one order."""

    read_roles = STAFF
    write_roles = APPROVERS
    pagination_class = KeysetPagination
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_orders_refunds_list",
        responses={200: RefundSerializer(many=True), 403: PROBLEM, 404: PROBLEM},
    )
    def get(self, request: Request, order_id: UUID) -> Response:
        """The refunds of one order of this site, the newest first. 404 `unknown_order`."""
        with self.reading():
            if order_of_site(order_id=order_id) is None:
                raise order_unknown()
            page = KeysetPagination()
            rows = page.paginate_queryset(refunds_of_order(order_id=order_id), request, self)
            return page.get_paginated_response(RefundSerializer(rows, many=True).data)

    @extend_schema(
        operation_id="staff_orders_refunds_create",
        parameters=[KEY_PARAMETER],
        request=RefundRequestSerializer,
        responses={
            201: RefundSerializer,
            400: PROBLEM,
            403: PROBLEM,
            404: PROBLEM,
            409: PROBLEM,
            422: PROBLEM,
        },
    )
    def post(self, request: Request, order_id: UUID) -> Response:
        """Give back a paid order's money, in whole or in part; its unreleased tokens are revoked in proportion.

        A worker takes it to Stripe. 404 `unknown_order`; 409 `order_not_refundable`, `order_disputed`,
        `order_under_review`, `refund_exceeds_payment`.
        """
        claimed = idempotency_request(request, f"POST /api/v1/staff/orders/{order_id}/refunds/")
        asked = RefundRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with self.writing() as member:

            def made(refund_id: UUID) -> tuple[int, dict[str, Any]]:
                row = refund_request(
                    order_id=order_id,
                    refund_id=refund_id,
                    requested_by_id=member.id,
                    **asked.validated_data,
                )
                return 201, dict(RefundSerializer(row).data)

            return answered_once(claimed, made)


def _status(request: Request) -> OrderStatus | None:
    wanted = OrderFilterSerializer(data=request.query_params)
    wanted.is_valid(raise_exception=True)
    status: dict[str, Any] = wanted.validated_data
    return OrderStatus(status["status"]) if "status" in status else None


def _answered(answer: OrderAnswer) -> Response:
    content_type = CONTENT_TYPE if answer.status >= 400 else None
    headers = {REPLAYED_HEADER: "true"} if answer.is_replay else None
    return Response(answer.body, status=answer.status, headers=headers, content_type=content_type)
