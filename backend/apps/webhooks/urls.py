from django.urls import URLPattern, path

from apps.webhooks.views import FireblocksWebhookView, StripeWebhookView

urlpatterns: list[URLPattern] = [
    path("webhooks/stripe/", StripeWebhookView.as_view(), name="webhooks-stripe"),
    path("webhooks/fireblocks/", FireblocksWebhookView.as_view(), name="webhooks-fireblocks"),
]
