"""The platform administrator's pages over all sites, beside the admin's own."""

from django.contrib import admin
from django.urls import path

from apps.operations.all_sites_views import all_sites, find_in_all_sites, history_of_all_sites

urlpatterns = [
    path("", admin.site.admin_view(all_sites), name="all_sites"),
    path("find/", admin.site.admin_view(find_in_all_sites), name="all_sites_find"),
    path("history/", admin.site.admin_view(history_of_all_sites), name="all_sites_history"),
]
