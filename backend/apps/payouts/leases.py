"""Holding a payout while working on it: one statement takes it, and only its holder may write about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Case, F, When
from django.db.models.functions import Now

from apps.core.ids import uuid7
from apps.payouts.external_ids import ExternalId, attempt_id_of
from apps.payouts.fence import fence_closed_from
from apps.payouts.models import AttemptStatus, Payout, PayoutAttempt, PayoutStatus
from apps.sites.scope import site_scope

# Above the longest call to a provider (11 s, or 10 s of calls to a node), and taken anew before the one that sends:
# so long a payout stands still after its worker was killed. A slow worker whose lease ran out does no harm, since it
# may neither count a send nor write any more, and a second send goes out under the same id.
LEASE_S = 15
BACKOFF_LEAST_S, BACKOFF_MOST_S = 4.0, 900.0
# Held payouts are looked at when somebody rings for them, and are never sent.
ASKABLE = (PayoutStatus.SUBMITTING, PayoutStatus.SUBMITTED, PayoutStatus.HELD)
DUE = (PayoutStatus.READY, *ASKABLE)

# The lease is checked beside the due time: ringing makes a payout due while a worker still has it.
# MATERIALIZED: inlined into a join, the sub-select could run again and lock a second row.
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id FROM payouts_payout
    WHERE site_id = %(site)s AND status = ANY(%(statuses)s) AND {which}
      AND (lease_until IS NULL OR lease_until <= now()){closed}
    ORDER BY next_attempt_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE payouts_payout p SET
    lease_token = %(token)s, lease_until = now() + %(lease)s, next_attempt_at = now() + %(lease)s,
    status = CASE WHEN p.status = 'ready' THEN 'submitting' ELSE p.status END
FROM due WHERE p.site_id = %(site)s AND p.id = due.id RETURNING p.id, now()
"""
_CLAIM_DUE = _CLAIM.format(which="next_attempt_at <= now()", closed="")
_CLAIM_ONE = _CLAIM.format(which="id = %(payout)s", closed="")
# Payouts of a provider that may not be called now stay due, and those of others do not wait behind them.
_CLAIM_DUE_OF_OTHERS = _CLAIM.format(
    which="next_attempt_at <= now()",
    closed="""
      AND NOT EXISTS (SELECT 1 FROM sites_asset a WHERE a.site_id = payouts_payout.site_id
        AND a.id = payouts_payout.asset_id AND a.custody_provider = ANY(%(closed)s))""",
)
# Those whose due time is still the one that was read: nobody rang and nobody worked on them since.
_CLAIM_READ = """
WITH due AS MATERIALIZED (
    SELECT p.id FROM payouts_payout p
    JOIN unnest(%(payouts)s::uuid[], %(due)s::timestamptz[]) AS r (id, due_at)
      ON r.id = p.id AND r.due_at = p.next_attempt_at
    WHERE p.site_id = %(site)s AND p.status = ANY(%(statuses)s)
      AND (p.lease_until IS NULL OR p.lease_until <= now())
    ORDER BY p.id FOR UPDATE OF p SKIP LOCKED)
UPDATE payouts_payout p SET
    lease_token = %(token)s, lease_until = now() + %(lease)s, next_attempt_at = now() + %(lease)s
FROM due WHERE p.site_id = %(site)s AND p.id = due.id RETURNING p.id, now()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A payout held by ``token``, its open attempt, and what was approved, as they were when it was claimed."""

    payout_id: UUID
    batch_id: UUID
    token: UUID
    status: str
    claimed_at: datetime
    to_address: str
    amount_base_units: int
    decimals: int
    custody_asset_id: str
    custody_vault_id: str
    attempt_id: UUID
    external_id: str
    custody_provider: str
    provider_transfer_id: str
    raw_status: str
    chain_id: int
    confirmations: int
    sends: int
    last_sent_at: datetime | None
    error_code: str
    hold_code: str

    def sent_ago_s(self) -> float:
        """Seconds since the last send, by the database's clock; 0 when it was never sent."""
        return (self.claimed_at - self.last_sent_at).total_seconds() if self.last_sent_at else 0.0

    def backoff_s(self) -> float:
        """Until the next look: half as long as it has taken so far, 4 s to 15 minutes."""
        return min(max(self.sent_ago_s() / 2, BACKOFF_LEAST_S), BACKOFF_MOST_S)


def lease_due(closed: Sequence[str] = (), *, ready_too: bool = True) -> Leased | None:
    """ENTRY: hold the payout of the bound site that has been due longest, with a committed attempt; or None.

    A ready one becomes submitting. After this commit nothing has been sent yet. Payouts whose asset's provider
    is one of ``closed`` are left alone, and ready ones unless ``ready_too``.
    """
    statuses = DUE if ready_too else ASKABLE
    if closed:
        return _lease(_CLAIM_DUE_OF_OTHERS, {"closed": list(closed)}, statuses)
    return _lease(_CLAIM_DUE, {}, statuses)


def lease_one(payout_id: UUID) -> Leased | None:
    """ENTRY: hold this payout, due or not; None while it is in no work or somebody else's."""
    return _lease(_CLAIM_ONE, {"payout": payout_id}, ASKABLE)


def lease_unsent(payout_id: UUID) -> Leased | None:
    """ENTRY: hold this payout to write about it before anything of it was sent; None when it is further, or held."""
    leased = _lease(_CLAIM_ONE, {"payout": payout_id}, (PayoutStatus.READY, PayoutStatus.SUBMITTING))
    return leased if leased and leased.sends == 0 else None


def lease_read(due: Mapping[UUID, datetime], statuses: Sequence[str]) -> list[Leased]:
    """ENTRY: hold those payouts in one of the states that are due as they were read; by payout in no order.

    Others were rung for or worked on meanwhile: what was asked about them before may be out of date.
    """
    token = uuid7()
    with site_scope() as site_id, connection.cursor() as cursor:
        values = {"payouts": [str(one) for one in due], "due": list(due.values())}
        cursor.execute(_CLAIM_READ, _claim_values(token, site_id, statuses) | values)
        claimed = dict(cursor.fetchall())
        payouts = Payout.objects.select_related("asset").filter(site_id=site_id, id__in=claimed)
        attempts = PayoutAttempt.objects.filter(
            site_id=site_id, payout_id__in=claimed, status=AttemptStatus.OPEN
        )
        still_open = {attempt.payout_id: attempt for attempt in attempts}
        return [
            _leased(payout, still_open[payout.id], token, claimed[payout.id])
            for payout in payouts
            if payout.id in still_open
        ]


def send_counted(leased: Leased) -> bool:
    """ENTRY: count a send before it is made, and take the lease anew for it.

    False when the lease has run out, or the fence is closed, and nothing may be sent.
    """
    with site_scope() as site_id:
        # The row lock keeps another worker from claiming between the look at the lease and the count.
        held = Payout.objects.select_for_update().filter(
            site_id=site_id,
            id=leased.payout_id,
            status=PayoutStatus.SUBMITTING,
            lease_token=leased.token,
            lease_until__gt=Now(),
        )
        if held.first() is None or fence_closed_from() is not None:
            return False
        _lease_anew(leased, site_id)
        attempt = PayoutAttempt.objects.filter(
            site_id=site_id, id=leased.attempt_id, status=AttemptStatus.OPEN, sends=leased.sends
        )
        return attempt.update(sends=F("sends") + 1, last_sent_at=Now()) == 1


def _lease_anew(leased: Leased, site_id: UUID) -> None:
    """STEP: from now on, unless somebody rang meanwhile: their date says that it is due."""
    until = Now() + timedelta(seconds=LEASE_S)
    rung = When(next_attempt_at__lt=F("lease_until"), then=F("next_attempt_at"))
    rows = Payout.objects.filter(site_id=site_id, id=leased.payout_id, lease_token=leased.token)
    rows.update(lease_until=until, next_attempt_at=Case(rung, default=until))


def _lease(statement: str, extra: dict[str, Any], statuses: Sequence[str]) -> Leased | None:
    token = uuid7()
    with site_scope() as site_id, connection.cursor() as cursor:
        cursor.execute(statement, _claim_values(token, site_id, statuses) | extra)
        claimed = cursor.fetchone()
        if claimed is None:
            return None
        payout = Payout.objects.select_related("asset").get(site_id=site_id, id=claimed[0])
        return _leased(payout, _open_attempt(payout, site_id), token, claimed[1])


def _claim_values(token: UUID, site_id: UUID, statuses: Sequence[str]) -> dict[str, Any]:
    lease = timedelta(seconds=LEASE_S)
    return {"token": token, "lease": lease, "site": site_id, "statuses": [str(s) for s in statuses]}


def _open_attempt(payout: Payout, site_id: UUID) -> PayoutAttempt:
    attempts = list(PayoutAttempt.objects.filter(site_id=site_id, payout_id=payout.id).order_by("number"))
    still_open = [attempt for attempt in attempts if attempt.status == AttemptStatus.OPEN]
    if still_open:
        return still_open[0]
    number = len(attempts) + 1
    attempt = PayoutAttempt(id=attempt_id_of(payout.id, number), payout_id=payout.id, number=number)
    attempt.custody_provider = payout.asset.custody_provider
    attempt.external_id = str(ExternalId(site_id, attempt.id))
    attempt.save(force_insert=True)
    return attempt


def _leased(payout: Payout, attempt: PayoutAttempt, token: UUID, claimed_at: datetime) -> Leased:
    return Leased(
        payout_id=payout.id,
        batch_id=payout.batch_id,
        token=token,
        status=payout.status,
        claimed_at=claimed_at,
        to_address=payout.to_address,
        amount_base_units=payout.amount_base_units,
        decimals=payout.asset.decimals,
        custody_asset_id=payout.asset.custody_asset_id,
        custody_vault_id=payout.asset.custody_vault_id,
        attempt_id=attempt.id,
        external_id=attempt.external_id,
        custody_provider=attempt.custody_provider,
        provider_transfer_id=attempt.provider_transfer_id,
        raw_status=attempt.raw_status,
        chain_id=payout.asset.chain_id,
        confirmations=payout.asset.confirmations,
        sends=attempt.sends,
        last_sent_at=attempt.last_sent_at,
        error_code=attempt.error_code,
        hold_code=payout.hold_code,
    )
