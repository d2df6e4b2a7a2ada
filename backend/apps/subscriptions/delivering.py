"""Due deliveries: claimed by a lease, sent outside any transaction, and their outcome written with its log row."""

from __future__ import annotations

import json
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apps.sites.scope import site_scope
from apps.sites.tasks import sweep_sites
from apps.subscriptions import signing
from apps.subscriptions.models import Delivery, DeliveryStatus, DeliveryTry, OutgoingEvent, Subscription
from apps.subscriptions.sealing import Unreadable, is_sealed_by_the_current_key, seal, unseal
from apps.subscriptions.sender import TOTAL_TIMEOUT_S, Sent, send

# The specification's recommended schedule: the wait after attempt 1, 2, ...; after the last one it is given up.
WAITS_S = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
# While a receiver fails, one request at a time asks whether it is back; the others wait for that answer.
QUIET_FIRST_S, QUIET_MAX_S = 5, 600
LEASE_S = 3 * TOTAL_TIMEOUT_S
BATCH = 50
BUDGET_S = 15.0
LIFE_S = sum(WAITS_S)
SET_ASIDE_LIMIT = 1000
GONE = 410

# MATERIALIZED: inlined, the sub-select may run again and claim more than it names.
_CLAIM = """
WITH due AS MATERIALIZED (
  SELECT d.id FROM subscriptions_delivery d
  JOIN subscriptions_subscription s ON s.site_id = d.site_id AND s.id = d.subscription_id
  WHERE d.site_id = %(site)s AND d.status = 'pending' AND d.next_attempt_at <= now()
    AND s.is_active AND (s.quiet_until IS NULL OR s.quiet_until <= now())
  ORDER BY d.next_attempt_at LIMIT 1 FOR UPDATE OF d SKIP LOCKED)
UPDATE subscriptions_delivery
SET next_attempt_at = now() + make_interval(secs => %(lease_s)s), attempts = attempts + 1, claims = claims + 1
WHERE site_id = %(site)s AND id = (SELECT id FROM due)
RETURNING id
"""
# What may not be sent now must not stand at the head of the queue: it would be found due again and again. What was
# switched off, or has waited as long as the whole schedule takes, is given up; it can be asked for again.
_SET_ASIDE = """
WITH waiting AS MATERIALIZED (
  SELECT d.id, NOT s.is_active OR d.asked_at < now() - make_interval(secs => %(life_s)s) AS is_over, s.quiet_until
  FROM subscriptions_delivery d
  JOIN subscriptions_subscription s ON s.site_id = d.site_id AND s.id = d.subscription_id
  WHERE d.site_id = %(site)s AND d.status = 'pending' AND d.next_attempt_at <= now()
    AND (NOT s.is_active OR s.quiet_until > now())
  ORDER BY d.next_attempt_at LIMIT %(limit)s FOR UPDATE OF d SKIP LOCKED)
UPDATE subscriptions_delivery d
SET status = CASE WHEN w.is_over THEN 'failed' ELSE 'pending' END,
    next_attempt_at = CASE WHEN w.is_over THEN NULL ELSE w.quiet_until END
FROM waiting w WHERE d.site_id = %(site)s AND d.id = w.id
"""


@dataclass(frozen=True, slots=True)
class _Claimed:
    delivery: Delivery
    subscription: Subscription
    event: OutgoingEvent


def deliveries_sweep() -> tuple[int, bool]:
    """ENTRY: one round over the sites with due deliveries: how many were handled, and whether more may be due."""
    deadline_s = time.monotonic() + BUDGET_S
    cut_short = False

    def work() -> int:
        nonlocal cut_short
        # One budget for all sites together: each having its own would outlast the task's time limit.
        done = deliveries_round(budget_s=deadline_s - time.monotonic())
        cut_short = cut_short or done >= BATCH or time.monotonic() > deadline_s
        return done

    handled, sites_left = sweep_sites("deliveries", work, budget_s=BUDGET_S)
    return handled, handled > 0 and (cut_short or sites_left)


def deliveries_round(*, limit: int = BATCH, budget_s: float = BUDGET_S) -> int:
    """ENTRY: send due deliveries of the bound site, the longest waiting first; returns how many were handled."""
    deadline_s = time.monotonic() + budget_s
    handled = _set_aside()
    while limit > 0 and time.monotonic() < deadline_s and (claimed := _claim()):
        limit -= 1
        handled += 1
        _deliver(claimed)
    return handled


def _set_aside() -> int:
    with site_scope() as site_id, connection.cursor() as cursor:
        cursor.execute(_SET_ASIDE, {"site": site_id, "life_s": LIFE_S, "limit": SET_ASIDE_LIMIT})
        return int(cursor.rowcount)


def _claim() -> _Claimed | None:
    with site_scope() as site_id:
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, {"site": site_id, "lease_s": LEASE_S})
            row = cursor.fetchone()
        if row is None:
            return None
        delivery = Delivery.objects.select_related("subscription", "event").get(site_id=site_id, id=row[0])
        return _Claimed(delivery, delivery.subscription, delivery.event)


def _deliver(claimed: _Claimed) -> None:
    event, subscription, at = claimed.event, claimed.subscription, timezone.now()
    body = message_of(event)
    try:
        in_force = _secrets_in_force(subscription, at)
    except Unreadable:
        sent = Sent(None, "secret_unreadable", 0)
    else:
        signed = signing.headers(
            secrets_in_force=in_force, message_id=str(event.id), timestamp_s=int(at.timestamp()), body=body
        )
        sent = send(url=subscription.url, body=body, headers=signed)
    _record(claimed, sent, at)


def message_of(event: OutgoingEvent) -> bytes:
    """The body: the same bytes at each attempt, so that a receiver may compare."""
    document = {"type": event.event_type, "timestamp": event.occurred_at.isoformat(), "data": event.data}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _secrets_in_force(subscription: Subscription, at: datetime) -> list[str]:
    sealed = [subscription.secret_sealed]
    if subscription.old_secret_until is not None and subscription.old_secret_until > at:
        sealed.append(subscription.old_secret_sealed)
    return [unseal(each) for each in sealed]


def _record(claimed: _Claimed, sent: Sent, at: datetime) -> None:
    """Write the log row and the outcome together. A claim that somebody has overtaken only leaves its log row."""
    delivery, subscription = claimed.delivery, claimed.subscription
    with site_scope() as site_id:
        DeliveryTry.objects.create(
            delivery=delivery,
            at=at,
            http_status=sent.http_status,
            error_code=sent.error_code,
            duration_ms=sent.duration_ms,
        )
        mine = Delivery.objects.filter(
            site_id=site_id, id=delivery.id, claims=delivery.claims, status="pending"
        )
        health = _health(subscription, sent)
        if mine.update(**_outcome(delivery, sent)) and health:
            Subscription.objects.filter(site_id=site_id, id=subscription.id).update(**health)
        _seal_anew(site_id, subscription)


def _outcome(delivery: Delivery, sent: Sent) -> dict[str, Any]:
    if sent.is_accepted:
        return {"status": DeliveryStatus.DELIVERED, "next_attempt_at": None, "delivered_at": Now()}
    if sent.http_status == GONE or delivery.attempts > len(WAITS_S):
        return {"status": DeliveryStatus.FAILED, "next_attempt_at": None}
    return {"next_attempt_at": Now() + timedelta(seconds=_wait_s(delivery.attempts, sent.retry_after_s))}


def _wait_s(attempts: int, retry_after_s: int | None) -> float:
    # Spread, so that what failed together does not come back together.
    wait_s = WAITS_S[attempts - 1] * random.uniform(1.0, 1.2)  # noqa: S311 - no secret
    return max(wait_s, min(retry_after_s or 0, WAITS_S[-1]))


def _health(subscription: Subscription, sent: Sent) -> dict[str, Any]:
    """How the subscription goes on: rested after a failure that is the receiver's, stopped when it said "gone"."""
    if sent.is_accepted:
        return {"failures_in_a_row": 0, "quiet_until": None}
    if sent.http_status == GONE:
        return {"is_active": False, "stopped_code": "gone"}
    if sent.http_status is None or sent.http_status == 429 or sent.http_status >= 500:
        quiet_s = min(QUIET_FIRST_S * 2 ** min(subscription.failures_in_a_row, 10), QUIET_MAX_S)
        rest_s = max(quiet_s, min(sent.retry_after_s or 0, WAITS_S[-1]))
        return {
            "failures_in_a_row": F("failures_in_a_row") + 1,
            "quiet_until": Now() + timedelta(seconds=rest_s),
        }
    return {}


def _seal_anew(site_id: UUID, subscription: Subscription) -> None:
    """Let go of an older SECRET_KEY; not over a secret that was rotated since we read it."""
    sealed = subscription.secret_sealed
    if is_sealed_by_the_current_key(sealed):
        return
    with suppress(Unreadable):
        Subscription.objects.filter(site_id=site_id, id=subscription.id, secret_sealed=sealed).update(
            secret_sealed=seal(unseal(sealed))
        )
