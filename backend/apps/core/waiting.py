"""Waiting at the start for what a process needs: one line a try, with backoff, on its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0


class StillMissing(Exception):
    """The time is over; the message says for what, for how long and why."""


@dataclass(frozen=True)
class Need:
    """`missing` answers why it is not there, one sentence, or nothing. It may raise what waiting cannot mend."""

    name: str
    missing: Callable[[], str]


def wait_for(
    needs: Sequence[Need],
    *,
    say: Callable[[str], None],
    timeout_s: float | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Return when every need is there, asked one after another; `timeout_s` None waits for ever.

    `say` gets one line for each try that failed. `pause` sleeps; a process that may be told to stop gives its own,
    which raises. Raises StillMissing.
    """
    started_s = time.monotonic()
    tries, pause_s = 0, FIRST_PAUSE_S
    waiting = list(needs)
    while waiting:
        why = waiting[0].missing()
        if not why:
            waiting.pop(0)
            continue
        tries += 1
        waited_s = time.monotonic() - started_s
        left_s = float("inf") if timeout_s is None else timeout_s - waited_s
        if left_s <= 0:
            raise StillMissing(f"Gave up waiting for {waiting[0].name} after {waited_s:.0f} s: {why}")
        pause_s = min(pause_s, left_s)
        say(f"Waiting for {waiting[0].name}, try {tries}, next in {pause_s:.1f} s: {why}")
        pause(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    if tries:
        say(f"Waited {time.monotonic() - started_s:.1f} s, going on.")
