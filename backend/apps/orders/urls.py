from django.urls import URLPattern, path

from apps.orders.views import (
    OrderCancelView,
    OrdersView,
    OrderView,
    StaffOrdersView,
    StaffOrderView,
    StaffRefundsView,
)

urlpatterns: list[URLPattern] = [
    path("orders/", OrdersView.as_view(), name="orders"),
    path("orders/<uuid:order_id>/", OrderView.as_view(), name="order"),
    path("orders/<uuid:order_id>/cancel/", OrderCancelView.as_view(), name="order-cancel"),
    path("staff/orders/", StaffOrdersView.as_view(), name="staff-orders"),
    path("staff/orders/<uuid:order_id>/", StaffOrderView.as_view(), name="staff-order"),
    path("staff/orders/<uuid:order_id>/refunds/", StaffRefundsView.as_view(), name="staff-order-refunds"),
]
