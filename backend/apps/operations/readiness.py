"""Whether the whole system works: every dependency and every process, within two seconds whatever hangs."""

from __future__ import annotations

import time

import redis
from celery import current_app
from django.conf import settings
from django.utils.translation import gettext as _

from apps.core.needs import redis_client
from apps.operations import database_checks
from apps.operations.probes import Answers, Check, Probe, logger

# What is left of the two seconds is for threads to start and the answer to be written.
DEADLINE_S = 1.6
REDIS_TIMEOUT_S = 0.5
QUEUE_LONG = 1000  # bells; a worker with two processes rings through these in a minute or two


def ask_redis(answers: Answers) -> None:
    """The cache answers (rate limits; requests go on without it)."""
    try:
        with redis_client(settings.REDIS_URL, timeout_s=REDIS_TIMEOUT_S) as client:
            client.ping()
    except redis.RedisError as exc:
        answers["redis"] = _away(exc)
    else:
        answers["redis"] = Check(True)


def ask_queue(answers: Answers) -> None:
    """The broker answers, and its queue is not long."""
    try:
        with redis_client(settings.CELERY_BROKER_URL, timeout_s=REDIS_TIMEOUT_S) as client:
            length = int(str(client.llen(current_app.conf.task_default_queue)))
    except redis.RedisError as exc:
        answers["queue"] = _away(exc)
        return
    reason = _("%d tasks wait; are there enough workers?") % length if length > QUEUE_LONG else ""
    answers["queue"] = Check(length <= QUEUE_LONG, reason, {"length": length})


PROBES = (
    Probe(database_checks.NAMES, database_checks.ask_database),
    Probe(("redis",), ask_redis),
    Probe(("queue",), ask_queue),
)


def readiness() -> Answers:
    """Every check by name, in a fixed order. Takes DEADLINE_S at most."""
    deadline_s = time.monotonic() + DEADLINE_S
    rounds = [(probe, probe.start()) for probe in PROBES]
    return {
        name: check for probe, asked in rounds for name, check in probe.collect(asked, deadline_s).items()
    }


def _away(exc: redis.RedisError) -> Check:
    # The client's words name hosts: they go to the log, not to the page.
    logger.warning("readiness: Cannot connect to Redis: %s", exc)
    refused = isinstance(exc, redis.AuthenticationError | redis.ResponseError)
    return Check(False, _("it refuses the password") if refused else _("it is away or does not answer"))
