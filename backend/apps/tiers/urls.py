from django.urls import URLPattern, path

from apps.tiers.views import TiersView, TierView

urlpatterns: list[URLPattern] = [
    path("tiers/", TiersView.as_view(), name="tiers"),
    path("tiers/<uuid:tier_id>/", TierView.as_view(), name="tier"),
]
