from django.urls import URLPattern, path

from apps.accounts.views import MeView, StaffMemberRoleView, StaffMembersView, WalletsView

urlpatterns: list[URLPattern] = [
    path("me/", MeView.as_view(), name="me"),
    path("wallets/", WalletsView.as_view(), name="wallets"),
    path("staff/members/", StaffMembersView.as_view(), name="staff-members"),
    path("staff/members/<uuid:member_id>/role/", StaffMemberRoleView.as_view(), name="staff-member-role"),
]
