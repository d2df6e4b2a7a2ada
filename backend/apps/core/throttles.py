"""Rate limits by caller and method, counted in Redis, and open when Redis is away."""

import logging
import math
import time
from typing import Any

from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

logger = logging.getLogger("posx.throttles")

QUIET_AFTER_FAILURE_S = 5
_WINDOWS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_quiet_until_s = 0.0


class MethodThrottle(BaseThrottle):
    """Fixed windows: `reads` for safe methods, `writes` for the rest (REST_FRAMEWORK's throttle rates).

    A view that must never be refused (webhooks: providers retry by rules of their own) sets
    throttle_classes = [].
    """

    wait_s: int | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        """False once the caller has used up the window."""
        scope = "reads" if request.method in _SAFE else "writes"
        limit, window_s = parse_rate(str(api_settings.DEFAULT_THROTTLE_RATES[scope]))
        now_s = time.time()
        self.wait_s = math.ceil(window_s - now_s % window_s)
        who = (
            f"user:{request.user.pk}" if request.user and request.user.pk else f"ip:{self.get_ident(request)}"
        )
        return count(f"throttle:{scope}:{who}:{int(now_s // window_s)}", window_s) <= limit

    def wait(self) -> float | None:
        """Seconds until the window ends."""
        return self.wait_s


def parse_rate(rate: str) -> tuple[int, int]:
    """ "600/min" -> (600, 60): a number and the first letter of its period."""
    number, _, period = rate.partition("/")
    return int(number), _WINDOWS_S[period[0]]


def count(key: str, window_s: int) -> int:
    """How often `key` was counted, this time included; 0 when Redis cannot say, so that callers stay open."""
    global _quiet_until_s
    if time.monotonic() < _quiet_until_s:
        return 0
    try:
        if cache.add(key, 1, timeout=2 * window_s):
            return 1
        return int(cache.incr(key))
    except ValueError:
        return 1  # evicted between the two calls
    except RedisError as exc:
        _quiet_until_s = time.monotonic() + QUIET_AFTER_FAILURE_S
        logger.warning("Rate limits are open, Redis failed: %s: %s", type(exc).__name__, exc)
        return 0
