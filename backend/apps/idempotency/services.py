"""Claim, resume, replay, expire: the effects of a request and its stored answer in the same transactions.

All are step functions: they need their caller's open site scope.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Case, When
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.core.ids import uuid7
from apps.core.problems import Problem
from apps.idempotency.header import IdempotencyRequest
from apps.idempotency.models import IdempotencyKey
from apps.sites.scope import require_scope

# Longer than the one call to a provider that a request makes (11 s): so long a repeat is told to wait after the process
# of the first was killed. Both at once make one thing: the provider's key is the target's id.
LEASE_S = 15


@dataclass(frozen=True)
class StoredResponse:
    status: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """``stored`` set: answer with it. ``is_new`` false without it: an earlier try died; go on with its target."""

    id: UUID
    is_new: bool
    target_id: UUID
    stored: StoredResponse | None


def idempotency_claim(*, request: IdempotencyRequest, target_id: UUID, lease_s: int = LEASE_S) -> Claim:
    """Claim a key for ``lease_s`` seconds, or find what an earlier claim of it led to.

    ``target_id`` is the id that the row to be made will have; a resumed claim answers the first one. Raises
    Problem 422 idempotency_key_reused (other body), 409 idempotency_in_progress (the first still runs).
    """
    site_id = require_scope()
    claimed_id = _insert(site_id, request, target_id, lease_s)
    if claimed_id is not None:
        return Claim(claimed_id, is_new=True, target_id=target_id, stored=None)
    # The conflicting row may have been removed in between; then the caller simply tries again.
    row = (
        IdempotencyKey.objects.select_for_update()
        .filter(site_id=site_id, caller=request.caller, operation=request.operation, key=request.key)
        .annotate(is_leased=Case(When(lease_until__gt=Now(), then=True), default=False))
        .first()
    )
    if row is None:
        raise _in_progress()
    if row.body_sha256 != request.body_sha256:
        raise Problem(
            "idempotency_key_reused",
            422,
            _("This Idempotency-Key was used with another body. Use a new key."),
        )
    assert row.target_id is not None
    if row.completed_at is not None:
        assert row.response_status is not None and row.response_body is not None
        return Claim(row.id, False, row.target_id, StoredResponse(row.response_status, row.response_body))
    if row.is_leased:
        raise _in_progress()
    _extend(row.id, lease_s)
    return Claim(row.id, is_new=False, target_id=row.target_id, stored=None)


def idempotency_complete(*, claim_id: UUID, status: int, body: dict[str, Any]) -> None:
    """Store the answer that every repeat of the key gets. The first one stays; a second call changes nothing."""
    IdempotencyKey.objects.filter(site_id=require_scope(), id=claim_id, completed_at__isnull=True).update(
        response_status=status, response_body=body, completed_at=Now()
    )


def idempotency_release(*, claim_id: UUID) -> None:
    """End the lease at once, so that a repeat resumes without waiting for it."""
    IdempotencyKey.objects.filter(site_id=require_scope(), id=claim_id, completed_at__isnull=True).update(
        lease_until=Now()
    )


def idempotency_purge(*, older_than_hours: int, limit: int) -> int:
    """Remove at most ``limit`` keys of the open scope's site that are older; returns how many.

    A key that still has a running lease stays, however old the clock says it is.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            # MATERIALIZED: as a plain sub-select it may run again for each row, and its LIMIT with it.
            "WITH old AS MATERIALIZED ("
            "  SELECT id FROM idempotency_idempotencykey WHERE site_id = %(site)s"
            "   AND created_at < now() - make_interval(hours => %(hours)s) AND lease_until < now()"
            "  ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) "
            "DELETE FROM idempotency_idempotencykey k USING old WHERE k.site_id = %(site)s AND k.id = old.id",
            {"site": require_scope(), "hours": older_than_hours, "limit": limit},
        )
        return int(cursor.rowcount)


def _insert(site_id: UUID, request: IdempotencyRequest, target_id: UUID, lease_s: int) -> UUID | None:
    # ON CONFLICT waits for a concurrent claim's transaction, so that exactly one of two sees a new key.
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO idempotency_idempotencykey "
            "(id, site_id, caller, operation, key, body_sha256, target_id, lease_until, created_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s), now()) "
            "ON CONFLICT (site_id, caller, operation, key) DO NOTHING RETURNING id",
            [
                uuid7(),
                site_id,
                request.caller,
                request.operation,
                request.key,
                request.body_sha256,
                target_id,
                lease_s,
            ],
        )
        row = cursor.fetchone()
        return row[0] if row else None


def _extend(row_id: UUID, lease_s: int) -> None:
    IdempotencyKey.objects.filter(site_id=require_scope(), id=row_id).update(
        lease_until=Now() + timedelta(seconds=lease_s)
    )


def _in_progress() -> Problem:
    return Problem(
        "idempotency_in_progress",
        409,
        _("The first request with this Idempotency-Key is still running. Try again shortly."),
        retry_after_s=2,
    )
