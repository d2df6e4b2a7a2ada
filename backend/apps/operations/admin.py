"""The installation's own machinery: the schedule of periodic tasks, and which beat sends them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import PeriodicTask

from apps.core.doorbells import ring
from apps.core.models import BeatLease
from apps.sites.scoped_admin.base import PlatformReadOnly

admin.site.unregister(PeriodicTask)


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin):  # type: ignore[misc]  # the package has no types
    """django-celery-beat's own page; what it sends by hand goes by doorbell, so that a dead broker is no error."""

    show_full_result_count = False

    @admin.action(description=gettext_lazy("Ring selected tasks now"))
    def run_tasks(self, request: HttpRequest, queryset: Any) -> None:
        """Only tasks without arguments: those of the seed and the sweepers."""
        plain = [task for task in queryset if task.args == "[]" and task.kwargs == "{}"]
        for task in plain:
            ring(task.task)
        said = _("%(count)d rung; those with arguments are left out.") % {"count": len(plain)}
        self.message_user(request, said, messages.SUCCESS if plain else messages.WARNING)


@admin.register(BeatLease)
class BeatLeaseAdmin(PlatformReadOnly):
    list_display = ("name", "holder", "expires_at")
    search_fields = ("name",)
    ordering = ("name",)
