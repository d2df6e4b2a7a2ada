"""Names of time zones, as IANA gives them."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones


@cache
def time_zone_names() -> frozenset[str]:
    """All that this machine knows."""
    # It walks the file system. "localtime" is whatever the machine is set to.
    return frozenset(available_timezones() - {"localtime"})
