"""Many payouts settled by one call: the provider's list of what a vault sent, matched by external id.

A list only ever says what is there. Whatever it does not show is asked for by its external id (submission.py), which
alone may find that a transfer does not exist: a page ends, a list lags, and a send may still be on its way.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.remote import RemoteError
from apps.payouts.custody.base import CustodyUnknown, TransferTruth
from apps.payouts.custody.choice import fireblocks_in_use
from apps.payouts.custody.fireblocks_listing import ListedTransfer
from apps.payouts.leases import LEASE_S, Leased, lease_read
from apps.payouts.models import AttemptStatus, Payout, PayoutAttempt, PayoutStatus
from apps.payouts.settlement import settle
from apps.sites.models import Asset, CustodyProvider
from apps.sites.scope import site_scope

logger = logging.getLogger("posx.payouts")

# At once; fewer than the least are asked for one by one.
LISTED_MOST, LISTED_LEAST = 200, 5
# The provider's clock and ours. No more: what was sent and settled in that time fills the page before what waits.
# What lies before the page's beginning is asked for by its external id.
CLOCKS_DIFFER = timedelta(seconds=5)
# Settling goes on for so long: what the lease would outlast is due again when it ends.
SETTLE_BUDGET_S = LEASE_S - 5
# Held payouts are left to be asked for: what a person decides about them must not meet an older answer.
SENT = (PayoutStatus.SUBMITTING, PayoutStatus.SUBMITTED)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Payouts of one asset that were sent and are due, by external id, as they were read."""

    asset: Asset
    due_at: Mapping[UUID, datetime]
    payout_of: Mapping[str, UUID]
    oldest_sent_at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """How many came to which state, as payouts_round; and how many the page did not prove."""

    outcomes: Counter[str]
    unproven: int = 0


def listed_settle() -> Listed | None:
    """ENTRY: settle what one page of the provider's list shows of the bound site's longest due payouts.

    None when few wait, or the list cannot be had: they are then asked for one by one.
    """
    waiting = _waiting()
    if waiting is None:
        return None
    try:
        # Read without a lock and before any lease: the call may take longer than a lease lasts.
        page = fireblocks_in_use().list_sent(
            created_from=waiting.oldest_sent_at - CLOCKS_DIFFER,
            asset_id=waiting.asset.custody_asset_id,
            vault_id=waiting.asset.custody_vault_id,
        )
        truths = _truths(page, waiting)
    except RemoteError as failure:
        logger.warning("payouts: the provider's list: %s", failure)
        return None
    due_at = {waiting.payout_of[key]: waiting.due_at[waiting.payout_of[key]] for key in truths}
    held = lease_read(due_at, SENT) if due_at else []
    outcomes: Counter[str] = Counter()
    deadline_s = time.monotonic() + SETTLE_BUDGET_S
    for leased in held:
        if time.monotonic() > deadline_s:
            break
        # A new attempt since the page was read has another id, and is nobody's outcome here.
        if leased.external_id in truths:
            outcomes[_settled(leased, truths[leased.external_id])] += 1
    return Listed(outcomes, unproven=len(waiting.payout_of) - len(truths))


def _waiting() -> Waiting | None:
    with site_scope() as site_id:
        due = list(
            Payout.objects.select_related("asset")
            .filter(
                Q(lease_until__isnull=True) | Q(lease_until__lte=Now()),
                site_id=site_id,
                next_attempt_at__lte=Now(),
                status__in=SENT,
            )
            .order_by("next_attempt_at", "id")[:LISTED_MOST]
        )
        of_one_asset = [one for one in due if one.asset_id == due[0].asset_id]
        if len(of_one_asset) < LISTED_LEAST:
            return None
        sent = _sent(site_id, of_one_asset)
    if len(sent) < LISTED_LEAST:
        return None
    due_at = {one.id: one.next_attempt_at for one in of_one_asset if one.next_attempt_at is not None}
    return Waiting(
        asset=of_one_asset[0].asset,
        due_at=due_at,
        payout_of={attempt.external_id: attempt.payout_id for attempt in sent},
        oldest_sent_at=min(_first_sent_at(attempt) for attempt in sent),
    )


def _sent(site_id: UUID, payouts: Sequence[Payout]) -> list[PayoutAttempt]:
    """Open attempts that Fireblocks may have; of a chain there is no such list."""
    return list(
        PayoutAttempt.objects.filter(
            site_id=site_id,
            payout_id__in=[one.id for one in payouts],
            status=AttemptStatus.OPEN,
            custody_provider=CustodyProvider.FIREBLOCKS,
            sends__gt=0,
        )
    )


def _first_sent_at(attempt: PayoutAttempt) -> datetime:
    """Not before it was sent the first time: of later sends any may be the one that arrived."""
    once = attempt.sends == 1 and attempt.last_sent_at is not None
    return attempt.last_sent_at if once else attempt.created_at  # type: ignore[return-value]  # see once


def _truths(page: Sequence[ListedTransfer], waiting: Waiting) -> dict[str, TransferTruth]:
    """What the page says by external id; without those that it shows twice: they are asked for one by one."""
    times = Counter(one.external_id for one in page)
    truths: dict[str, TransferTruth] = {}
    for one in page:
        if one.external_id in waiting.payout_of and times[one.external_id] == 1:
            try:
                truths[one.external_id] = one.truth(waiting.asset.decimals)
            except CustodyUnknown as failure:
                # Safe: it stays due and is asked for by itself.
                logger.warning("payouts: a listed transfer: %s", failure)
    return truths


def _settled(leased: Leased, truth: TransferTruth) -> str:
    try:
        return settle(leased, truth)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        # Safe: nothing is written, the lease runs out, and the payouts behind a poisonous one do not wait for it.
        logger.exception("payout %s: settling failed", leased.payout_id)
        return "error"
