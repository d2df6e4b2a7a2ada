"""A sandbox's own clock, which may be wrong, as a provider's may be."""

from __future__ import annotations

import time


class Clock:
    """The time in the signatures that a sandbox makes and checks. Its deadlines and pauses are the machine's."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def now_s(self) -> float:
        """Seconds since 1970 by this clock."""
        return time.time() + self.offset_s
