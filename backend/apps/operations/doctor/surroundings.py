"""What can be told without PostgreSQL: Redis, and variables that contradict each other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import redis
from celery import current_app
from django.conf import settings
from django.http.request import validate_host

from apps.core.needs import redis_client
from apps.operations.doctor.findings import Finding, fine, found
from apps.operations.doctor.providers import is_stripes_host
from apps.operations.readiness import QUEUE_LONG

REDIS_TIMEOUT_S = 2.0
NEAR_LIMIT = 0.8
MB = 10**6
QUEUE_SHORT, QUEUE_PAUSE_S = 50, 2.0


def examine_redis() -> Iterator[Finding]:
    """The broker, and the cache where it is another server."""
    broker, cache = settings.CELERY_BROKER_URL, settings.REDIS_URL
    yield from _server("CELERY_BROKER_URL", broker, is_broker=True)
    if cache != broker:
        yield from _server("REDIS_URL", cache, is_broker=False)


def _server(variable: str, url: str, *, is_broker: bool) -> Iterator[Finding]:
    try:
        with redis_client(url, timeout_s=REDIS_TIMEOUT_S) as client:
            memory: dict[str, Any] = client.info("memory")
            growth = _queue(client) if is_broker else None
    except redis.RedisError as error:
        is_refused = isinstance(error, redis.AuthenticationError | redis.ResponseError)
        yield found("redis.refused" if is_refused else "redis.unreachable", f"{variable}: {error}")
        return
    policy, most = str(memory.get("maxmemory_policy", "noeviction")), int(memory.get("maxmemory", 0))
    used = int(memory.get("used_memory", 0))
    yield fine(
        "redis", f"{variable} answers, {policy}, {used / MB:.0f} MB{f' of {most / MB:.0f}' if most else ''}"
    )
    if growth is None:
        return
    if policy != "noeviction":
        yield found("redis.evicts", f"{variable}: maxmemory-policy is {policy}")
    elif most and used >= NEAR_LIMIT * most:
        yield found("redis.memory_near_limit", f"{variable}: {used / MB:.1f} of {most / MB:.1f} MB")
    yield growth


def _queue(client: redis.Redis) -> Finding:
    """How many wait; when it is more than a handful, whether they become fewer."""
    name = current_app.conf.task_default_queue
    first = int(str(client.llen(name)))
    if first > QUEUE_LONG:
        return found("queue.long", f"{first} tasks wait")
    if first < QUEUE_SHORT:
        return fine("queue", f"{first} tasks wait")
    time.sleep(QUEUE_PAUSE_S)
    then = int(str(client.llen(name)))
    said = f"{first} tasks waited, {QUEUE_PAUSE_S:g} s later {then}"
    return found("queue.growing", said) if then > first else fine("queue", said)


def examine_domain() -> Iterator[Finding]:
    """The names under which people come in, and those that Django lets in."""
    origins: list[str] = settings.CSRF_TRUSTED_ORIGINS
    domain: str = settings.RAILWAY_PUBLIC_DOMAIN
    covers = [urlsplit(origin).netloc.replace("*", "") for origin in origins if origin.startswith("https://")]
    if domain and not any(
        domain == name or (name.startswith(".") and domain.endswith(name)) for name in covers
    ):
        yield found("domain.csrf", f"CSRF_TRUSTED_ORIGINS does not hold https://{domain}")
    refused = [
        host
        for origin in origins
        if (host := urlsplit(origin).hostname or "") and "*" not in host
        if not validate_host(host, settings.ALLOWED_HOSTS)
    ]
    if refused:
        yield found("domain.hosts", f"ALLOWED_HOSTS refuses {', '.join(refused)}")
    if not refused and domain:
        yield fine("domain", domain)


def examine_stripe() -> Iterator[Finding]:
    """The kinds of the keys; nothing is sent anywhere."""
    key: str = settings.STRIPE_SECRET_KEY
    if not key.startswith(("sk_", "rk_")):
        yield found("stripe.key", f"STRIPE_SECRET_KEY begins with {key[:3]!r}")
    if wrong := [
        index for index, secret in enumerate(settings.STRIPE_WEBHOOK_SECRETS, 1) if secret[:6] != "whsec_"
    ]:
        yield found("stripe.webhook_secret", f"number {wrong[0]} of STRIPE_WEBHOOK_SECRETS is none")
    is_live = "_live_" in key
    if is_live and not is_stripes_host():
        yield found("stripe.mode", f"a live key for {urlsplit(settings.STRIPE_API_BASE).netloc}")
    else:
        yield fine("stripe", "a live key" if is_live else "a test key: no real sale is made")
