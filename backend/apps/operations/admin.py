"""The installation's own machinery: the schedule of periodic tasks, and which beat sends them."""

from __future__ import annotations

from django.contrib import admin
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import PeriodicTask

from apps.core.models import BeatLease, WorkerHeartbeat
from apps.operations import differences_admin  # noqa: F401 - Django loads this module only
from apps.sites.scoped_admin.base import PlatformReadOnly

admin.site.unregister(PeriodicTask)


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin):  # type: ignore[misc]  # the package has no types
    """django-celery-beat's own page, without its "run selected tasks": that publishes with Celery's long
    timeouts and fails when the broker is away. What is due is in rows, and the sweepers find it.
    """

    actions = ("enable_tasks", "disable_tasks", "toggle_tasks")
    show_full_result_count = False


@admin.register(BeatLease)
class BeatLeaseAdmin(PlatformReadOnly):
    list_display = ("name", "holder", "expires_at")
    search_fields = ("name",)
    ordering = ("name",)


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(PlatformReadOnly):
    list_display = ("name", "version", "started_at", "seen_at")
    search_fields = ("name",)
    ordering = ("name",)
