"""Time-ordered identifiers, made in Python so that a row's id is known before it is written."""

import hashlib
import secrets
import threading
import time
import uuid

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_NS_A_TICK = 245  # one of the 4096 steps that rand_a splits a millisecond into, rounded up

_lock = threading.Lock()
_last_tick = 0


def _next_tick() -> int:
    """Milliseconds since the epoch in the high bits, 12 bits of sub-millisecond time below; never repeats."""
    global _last_tick
    milliseconds, rest_ns = divmod(time.time_ns(), 1_000_000)
    tick = (milliseconds << 12) | (rest_ns // _NS_A_TICK)
    with _lock:
        _last_tick = max(tick, _last_tick + 1)
        return _last_tick


def uuid7() -> uuid.UUID:
    """A version 7 UUID (RFC 9562, section 6.2 method 3): later calls of one process compare greater.

    A clock set back does not break the order: the last value is counted on instead.
    """
    milliseconds, fraction = divmod(_next_tick(), 1 << 12)
    return uuid.UUID(int=(milliseconds << 80) | _VERSION | (fraction << 64) | _VARIANT | secrets.randbits(62))


def uuid7_following(base: uuid.UUID, name: str) -> uuid.UUID:
    """A version 7 UUID that is always the same for these two, with the time of ``base``.

    What is made again from the same rows, as after a restore, gets the id that it had before.
    """
    digest = int.from_bytes(hashlib.sha256(base.bytes + name.encode()).digest(), "big")
    rand_a, rand_b = (digest & 0xFFF) << 64, (digest >> 12) & ((1 << 62) - 1)
    return uuid.UUID(int=(base.int >> 80 << 80) | _VERSION | rand_a | _VARIANT | rand_b)
