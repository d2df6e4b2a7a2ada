"""The append-only history, to be read."""

from django.contrib import admin

from apps.audit.models import AuditEvent
from apps.sites.scoped_admin.base import ScopedAdmin


@admin.register(AuditEvent)
class AuditEventAdmin(ScopedAdmin):
    list_display = ("at", "actor_kind", "actor_id", "action", "table_name", "row_id", "request_id")
    search_fields = ("id", "row_id")
    search_help_text = "id, row id"
