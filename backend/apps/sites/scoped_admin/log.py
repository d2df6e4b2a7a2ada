"""Django's own log of the admin, without a word of a site in it: the audit table is the record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.http import HttpRequest


class NeutralLog(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """django_admin_log belongs to no site, so an entry holds ids and names of columns, never a value."""

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> LogEntry:
        return _entry(request, obj, ADDITION, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> LogEntry:
        return _entry(request, obj, CHANGE, message)


def _entry(request: HttpRequest, obj: models.Model, flag: int, message: Any) -> LogEntry:
    return LogEntry.objects.create(
        user_id=UUID(str(request.user.pk)),
        content_type=ContentType.objects.get_for_model(obj, for_concrete_model=False),
        object_id=str(obj.pk),
        object_repr=str(obj.pk),
        action_flag=flag,
        change_message=_changed_columns(message),
    )


def _changed_columns(message: Any) -> str:
    """The fields of Django's structured message; what it says about other objects is left out."""
    if not isinstance(message, list):
        return ""
    names = [str(name) for part in message for name in part.get("changed", {}).get("fields", [])]
    return ", ".join(names)
