"""The admin as an installed application, with our AdminSite for its default."""

from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    """Stands in INSTALLED_APPS in place of django.contrib.admin."""

    default = False
    default_site = "apps.accounts.admin_site.StaffAdminSite"
