"""Rate limits: counted in Redis, by caller and kind of method; open when Redis is away."""

import logging
import time
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import caches
from django.test import override_settings
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from apps.core import throttles

RATES = {"DEFAULT_THROTTLE_RATES": {"reads": "3/hour", "writes": "1/hour"}, "NUM_PROXIES": 0}
AWAY = {
    "default": {
        "BACKEND": "apps.core.cache.RedisCache",
        "LOCATION": "redis://127.0.0.1:1/0",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}


@pytest.fixture(autouse=True)
def listening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttles, "_quiet_until_s", 0.0)


def asked(method: str = "get", address: str = "192.0.2.1") -> Request:
    made: Any = getattr(APIRequestFactory(), method)("/", REMOTE_ADDR=address)
    request = Request(made)
    request.user = AnonymousUser()
    return request


def allowed(request: Request) -> bool:
    return throttles.MethodThrottle().allow_request(request, None)


def test_a_caller_is_refused_after_the_last_of_the_window(redis_url: str) -> None:
    with override_settings(REST_FRAMEWORK=RATES):
        assert [allowed(asked()) for _ in range(5)] == [True, True, True, False, False]


def test_writes_and_other_callers_are_counted_apart(redis_url: str) -> None:
    with override_settings(REST_FRAMEWORK=RATES):
        for _ in range(4):
            allowed(asked())

        assert allowed(asked("post"))
        assert not allowed(asked("post"))
        assert allowed(asked(address="192.0.2.2"))


def test_a_refused_caller_learns_how_long_to_wait(redis_url: str) -> None:
    throttle = throttles.MethodThrottle()
    with override_settings(REST_FRAMEWORK=RATES):
        throttle.allow_request(asked(), None)

    wait = throttle.wait()
    assert wait is not None
    assert 0 < wait <= 3600


def test_without_redis_nobody_is_refused_and_nobody_waits(caplog: pytest.LogCaptureFixture) -> None:
    started_s = time.monotonic()
    with override_settings(REST_FRAMEWORK=RATES, CACHES=AWAY), caplog.at_level(logging.WARNING):
        caches["default"].close()
        assert all(allowed(asked("post")) for _ in range(20))

    assert time.monotonic() - started_s < 2.5
    assert caplog.text.count("Rate limits are open") == 1


@pytest.mark.parametrize(("rate", "parsed"), [("600/min", (600, 60)), ("5/s", (5, 1)), ("9/day", (9, 86400))])
def test_rates_are_a_number_and_a_period(rate: str, parsed: tuple[int, int]) -> None:
    assert throttles.parse_rate(rate) == parsed
