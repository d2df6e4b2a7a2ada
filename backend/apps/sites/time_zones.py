"""Names of time zones, as IANA gives them."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


def validate_time_zone(name: str) -> None:
    """Raises ValidationError time_zone_unknown for what IANA does not know."""
    if name not in _zones():
        raise ValidationError(
            _("An IANA time zone such as Asia/Taipei or Europe/Berlin."), code="time_zone_unknown"
        )


@cache
def _zones() -> frozenset[str]:
    # It walks the file system. "localtime" is whatever the machine is set to.
    return frozenset(available_timezones() - {"localtime"})
