"""What became of callers' idempotency keys."""

from django.contrib import admin

from apps.idempotency.models import IdempotencyKey
from apps.sites.scoped_admin.base import ScopedAdmin


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ScopedAdmin):
    list_display = (
        "created_at",
        "caller",
        "operation",
        "key",
        "target_id",
        "response_status",
        "lease_until",
        "completed_at",
    )
    search_fields = ("id",)
    ordering = ("-created_at",)  # the table's index by age; keys live for two days
    hidden = ("response_body",)  # a buyer's answer, which staff see in the order itself
