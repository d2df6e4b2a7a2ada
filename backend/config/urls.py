"""Every address. The rooms write their own; this only says where they hang."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from apps.core.views.health import health
from apps.operations.views import metrics, ready, version

api: list[URLPattern | URLResolver] = [
    path("", include("apps.accounts.urls")),
    path("", include("apps.tiers.urls")),
    path("", include("apps.orders.urls")),
    path("", include("apps.vesting.urls")),
    path("", include("apps.payouts.urls")),
    path("", include("apps.webhooks.urls")),
    path("", include("apps.subscriptions.urls")),
    path("schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]

urlpatterns = [
    path("health/", health, name="health"),
    path("ready/", ready, name="ready"),
    path("version/", version, name="version"),
    path("metrics", metrics, name="metrics"),  # without a slash at its end, where Prometheus asks
    path("admin/all-sites/", include("apps.operations.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api)),
]

handler400 = "apps.core.views.errors.bad_request"
handler403 = "apps.core.views.errors.permission_denied"
handler404 = "apps.core.views.errors.page_not_found"
handler500 = "apps.core.views.errors.server_error"
