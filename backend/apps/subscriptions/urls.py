from django.urls import URLPattern, path

from apps.subscriptions.views import (
    DeliveriesView,
    DeliveryView,
    ResendFailedView,
    ResendView,
    RotateSecretView,
    SecretView,
    SubscriptionsView,
    SubscriptionView,
    TestView,
)

_ONE = "staff/webhooks/<uuid:subscription_id>/"

urlpatterns: list[URLPattern] = [
    path("staff/webhooks/", SubscriptionsView.as_view(), name="staff-webhooks"),
    path(_ONE, SubscriptionView.as_view(), name="staff-webhook"),
    path(f"{_ONE}secret/", SecretView.as_view(), name="staff-webhook-secret"),
    path(f"{_ONE}rotate-secret/", RotateSecretView.as_view(), name="staff-webhook-rotate-secret"),
    path(f"{_ONE}test/", TestView.as_view(), name="staff-webhook-test"),
    path(f"{_ONE}resend-failed/", ResendFailedView.as_view(), name="staff-webhook-resend-failed"),
    path("staff/webhook-deliveries/", DeliveriesView.as_view(), name="staff-webhook-deliveries"),
    path(
        "staff/webhook-deliveries/<uuid:delivery_id>/", DeliveryView.as_view(), name="staff-webhook-delivery"
    ),
    path(
        "staff/webhook-deliveries/<uuid:delivery_id>/resend/",
        ResendView.as_view(),
        name="staff-webhook-delivery-resend",
    ),
]
