"""Django's Redis cache without redis-py's own retries: a request waits one second for Redis, not ten."""

from typing import Any

from django.core.cache.backends import redis as django_redis
from redis.backoff import NoBackoff
from redis.retry import Retry


class RedisCache(django_redis.RedisCache):
    """The stock backend; OPTIONS come from settings, which can hold no Retry object of their own."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        """`server` is an address or a list of them."""
        options = {"retry": Retry(NoBackoff(), 0), **params.get("OPTIONS", {})}
        super().__init__(server, {**params, "OPTIONS": options})
