from django.urls import URLPattern, path

from apps.payouts.views import BatchApproveView, BatchPayoutsView, BatchRejectView, BatchView

# The list at staff/payout-batches/ hangs in the vesting room, which makes batches of releases there.
_BATCH = "staff/payout-batches/<uuid:batch_id>/"
urlpatterns: list[URLPattern] = [
    path(_BATCH, BatchView.as_view(), name="staff-payout-batch"),
    path(f"{_BATCH}payouts/", BatchPayoutsView.as_view(), name="staff-payout-batch-payouts"),
    path(f"{_BATCH}approve/", BatchApproveView.as_view(), name="staff-payout-batch-approve"),
    path(f"{_BATCH}reject/", BatchRejectView.as_view(), name="staff-payout-batch-reject"),
]
