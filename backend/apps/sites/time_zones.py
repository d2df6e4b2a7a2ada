"""A site's time zone."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apps.core.time_zones import time_zone_names


def validate_time_zone(name: str) -> None:
    """Raises ValidationError time_zone_unknown for what IANA does not know."""
    if name not in time_zone_names():
        raise ValidationError(
            _("An IANA time zone such as Asia/Taipei or Europe/Berlin."), code="time_zone_unknown"
        )
