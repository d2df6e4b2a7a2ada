from django.urls import URLPattern, path

from apps.accounts.views import MeView, StaffMemberRoleView, StaffMembersView
from apps.accounts.wallet_views import (
    NoticeEmailView,
    StaffWalletChangeApproveView,
    StaffWalletChangeStopView,
    StaffWalletChangesView,
    WalletChangeStopView,
    WalletChangesView,
    WalletMessagesView,
    WalletsView,
)

_CHANGE = "wallet-changes/<uuid:change_id>/"
urlpatterns: list[URLPattern] = [
    path("me/", MeView.as_view(), name="me"),
    path("me/email/", NoticeEmailView.as_view(), name="me-email"),
    path("wallets/", WalletsView.as_view(), name="wallets"),
    path("wallets/messages/", WalletMessagesView.as_view(), name="wallet-messages"),
    path("wallet-changes/", WalletChangesView.as_view(), name="wallet-changes"),
    path(f"{_CHANGE}stop/", WalletChangeStopView.as_view(), name="wallet-change-stop"),
    path("staff/members/", StaffMembersView.as_view(), name="staff-members"),
    path("staff/members/<uuid:member_id>/role/", StaffMemberRoleView.as_view(), name="staff-member-role"),
    path("staff/wallet-changes/", StaffWalletChangesView.as_view(), name="staff-wallet-changes"),
    path(
        f"staff/{_CHANGE}approve/", StaffWalletChangeApproveView.as_view(), name="staff-wallet-change-approve"
    ),
    path(f"staff/{_CHANGE}stop/", StaffWalletChangeStopView.as_view(), name="staff-wallet-change-stop"),
]
