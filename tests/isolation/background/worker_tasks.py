"""Tasks for a real worker process: each writes what it saw of A's and B's assets to a list in Redis."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import redis
from celery import Task, shared_task

from apps.sites.models import Asset
from apps.sites.scope import bound_site_id, site_scope
from apps.sites.tasks import FanOutTask, SiteTask

PREFIX = "tests.isolation."


def tell(answer: str, said: Any) -> None:
    """Append to the list that the test reads."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.rpush(answer, json.dumps(said))


def seen(look: Callable[[], Any]) -> Any:
    """What was seen, or the name of the error."""
    try:
        return look()
    except Exception as error:  # safe: the test asserts on the name
        return type(error).__name__


def codes() -> list[str]:
    """All assets that the ORM answers, by code."""
    return sorted(Asset.objects.values_list("code", flat=True))


def _scoped_codes() -> list[str]:
    with site_scope():
        return codes()


@shared_task(name=f"{PREFIX}plain", ignore_result=True)
def plain(answer: str) -> None:
    """Has no base class: neither bound nor scoped."""
    tell(answer, [str(bound_site_id()), seen(codes), seen(_scoped_codes)])


@shared_task(base=FanOutTask, name=f"{PREFIX}fan_out", ignore_result=True)
def fan_out(answer: str) -> None:
    """A sweeper is bound to nobody."""
    tell(answer, [str(bound_site_id()), seen(codes), seen(_scoped_codes)])


@shared_task(base=SiteTask, name=f"{PREFIX}of_site", ignore_result=True)
def of_site(site_id: str, answer: str) -> None:
    """Bound to its site, scoped only where it says so."""
    tell(answer, [str(bound_site_id()), seen(codes), seen(_scoped_codes)])


@shared_task(base=SiteTask, name=f"{PREFIX}again", bind=True, max_retries=1, ignore_result=True)
def again(self: Task[Any, Any], site_id: str, answer: str) -> None:
    """Fails inside its scope at first and is retried."""
    with site_scope():
        tell(answer, [str(bound_site_id()), codes()])
        if not self.request.retries:
            raise self.retry(countdown=0)
