from django.urls import URLPattern, path

from apps.payouts.resolution_views import (
    HeldPayoutsView,
    ResolutionApproveView,
    ResolutionAskView,
    ResolutionDeclineView,
    ResolutionsView,
)
from apps.payouts.views import BatchApproveView, BatchPayoutsView, BatchRejectView, BatchView

# The list at staff/payout-batches/ hangs in the vesting room, which makes batches of releases there.
_BATCH = "staff/payout-batches/<uuid:batch_id>/"
_RESOLUTION = "staff/payout-resolutions/<uuid:resolution_id>/"
urlpatterns: list[URLPattern] = [
    path(_BATCH, BatchView.as_view(), name="staff-payout-batch"),
    path(f"{_BATCH}payouts/", BatchPayoutsView.as_view(), name="staff-payout-batch-payouts"),
    path(f"{_BATCH}approve/", BatchApproveView.as_view(), name="staff-payout-batch-approve"),
    path(f"{_BATCH}reject/", BatchRejectView.as_view(), name="staff-payout-batch-reject"),
    path("staff/held-payouts/", HeldPayoutsView.as_view(), name="staff-held-payouts"),
    path(
        "staff/held-payouts/<uuid:payout_id>/resolutions/",
        ResolutionAskView.as_view(),
        name="staff-held-payout-resolutions",
    ),
    path("staff/payout-resolutions/", ResolutionsView.as_view(), name="staff-payout-resolutions"),
    path(f"{_RESOLUTION}approve/", ResolutionApproveView.as_view(), name="staff-payout-resolution-approve"),
    path(f"{_RESOLUTION}decline/", ResolutionDeclineView.as_view(), name="staff-payout-resolution-decline"),
]
