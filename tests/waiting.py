"""The only place where tests wait: poll a condition until a deadline, never sleep for a guess."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.02


def wait_until(predicate: Callable[[], T], timeout_s: float = 10.0, what: str = "") -> T:
    """Call `predicate` until it answers something true and return that. Raises TimeoutError with `what`."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise TimeoutError(
                f"Not within {timeout_s} s: {what or getattr(predicate, '__name__', predicate)}"
            )
        time.sleep(POLL_S)
