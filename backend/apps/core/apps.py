"""The Django application of the core room."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Holds one table, the beat lease; everything else here is plain functions."""

    name = "apps.core"
    label = "core"
    verbose_name = "core"
