"""The check in bounded steps: a span of time or blocks of one side, then the cursor; and open differences again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.db.models import Min

from apps.core.remote import RemoteError
from apps.operations.models import Difference
from apps.operations.threeway import booked
from apps.operations.threeway.booked import TooMuch
from apps.operations.threeway.chain_side import (
    BLOCKS_MOST,
    chain_look,
    settled_block,
    source_of,
    start_block,
    told_on_chain,
)
from apps.operations.threeway.compare import Subject, compare_transfer
from apps.operations.threeway.cursors import Claimed, cursor_claim, cursor_fail, cursor_move, cursor_position
from apps.operations.threeway.custody_side import SOURCE as CUSTODY
from apps.operations.threeway.custody_side import Told as ToldByCustody
from apps.operations.threeway.custody_side import compare_with_custody, custody_look
from apps.operations.threeway.record import Looked, differences_claim, findings_write
from apps.operations.threeway.stripe_side import SOURCE as STRIPE
from apps.operations.threeway.stripe_side import Told as ToldByStripe
from apps.operations.threeway.stripe_side import compare_with_stripe, stripe_look
from apps.orders.stripe_gateway import StripeGateway
from apps.sites.models import Asset, CustodyProvider, Site
from apps.sites.scope import bind_site, site_scope

logger = logging.getLogger("posx.threeway")

SPAN_S = 24 * 3600
# What is younger is still on its way from one side to the other.
SETTLED_AFTER_S = 600
RECHECKS = 20

Look = Callable[[int, int, bool], Looked]


@dataclass
class Side:
    """One thing to look through from ``start`` up to ``end()``. Positions are seconds or blocks.

    ``look`` takes the span's two ends and whether it is bounded; ``start`` and ``end`` may ask the other side.
    ``length`` is the span that was not too much the last time.
    """

    source: str
    longest: int
    start: Callable[[], int]
    end: Callable[[], int]
    look: Look
    length: int = 0


def sides() -> list[Side]:
    """ENTRY: Stripe, the custody provider, and each asset that is sent directly on chain."""
    found = [
        Side(source, SPAN_S, first_second, _last_second, partial(_by_time, look))
        for source, look in ((STRIPE, stripe_look), (CUSTODY, custody_look))
    ]
    for site_id in Site.objects.order_by("id").values_list("id", flat=True):
        with bind_site(site_id), site_scope():
            assets = booked.assets()
        found += [
            _chain_side(asset, site_id) for asset in assets if asset.custody_provider == CustodyProvider.EVM
        ]
    return found


def step(side: Side) -> Looked | None:
    """ENTRY: look through the next span of a side when it is due, and move its cursor; None when it is not.

    A side that cannot be asked is logged and due again in a minute: the others must not wait for it.
    """
    try:
        claimed = cursor_claim(side.source, start=side.start)
        return _step(side, claimed) if claimed else None
    except SoftTimeLimitExceeded:
        raise
    except RemoteError as error:
        logger.warning("three-way check of %s: %s", side.source, error.code)
        cursor_fail(side.source, error.code)
    except Exception:
        # Safe: the cursor stays where it is, and the other sides go on.
        logger.exception("three-way check of %s failed", side.source)
        cursor_fail(side.source, "failed")
    return None


def walk(side: Side, position: int, end: int) -> Iterator[tuple[int, Looked]]:
    """ENTRY: look through everything from ``position`` to ``end`` without touching the cursor.

    Yields the position reached, and what was looked at in that step. Raises RemoteError.
    """
    while position < end:
        position, looked = _span(side, position, end)
        yield position, looked


def start_of(side: Side, *, full: bool) -> int:
    """ENTRY: where a walk over a side begins: at its beginning, or where the periodic check stands."""
    position = None if full else cursor_position(side.source)
    return side.start() if position is None else position


def sides_round(budget_s: float) -> bool:
    """ENTRY: steps of every side until all are caught up or the time is over; whether there is more to do."""
    deadline_s = time.monotonic() + budget_s
    more = False
    for side in sides():
        while time.monotonic() < deadline_s and step(side) is not None:
            pass
        more = more or time.monotonic() >= deadline_s
    return more


def differences_round(*, limit: int = RECHECKS) -> int:
    """ENTRY: ask again about open differences of the bound site that are due; those gone are closed."""
    claimed = differences_claim(limit=limit)
    keys = {subject: {one.object_id for one in claimed if one.subject == subject} for subject in Subject}
    if keys[Subject.PAYMENT] or keys[Subject.REFUND]:
        gateway = StripeGateway.from_settings()
        compare_with_stripe(gateway, ToldByStripe(), keys[Subject.PAYMENT], keys[Subject.REFUND])
    # What left a wallet of ours without our signature is known by its hash only.
    on_chain = [one for one in claimed if one.source != CUSTODY and one.object_id.startswith("0x")]
    by_custody = keys[Subject.TRANSFER] - {one.object_id for one in on_chain}
    if by_custody:
        with site_scope():
            sent = booked.sent_as(by_custody)
        compare_with_custody(ToldByCustody(), by_custody, sent)
    for one in on_chain:
        _recheck_on_chain(one)
    return len(claimed)


def first_second() -> int:
    """Where everything begins: a day before the first site was made."""
    first = Site.objects.aggregate(first=Min("created_at"))["first"]
    return int((first - timedelta(days=1)).timestamp()) if first else _last_second()


def _step(side: Side, claimed: Claimed) -> Looked:
    end = side.end()
    if claimed.position >= end:
        cursor_move(claimed, claimed.position, more=False)
        return Looked()
    reached, looked = _span(side, claimed.position, end)
    cursor_move(claimed, reached, more=reached < end)
    return looked


def _span(side: Side, position: int, end: int) -> tuple[int, Looked]:
    """The longest span that one step can take: halved until it is not too much."""
    length = min(side.length or side.longest, end - position)
    while True:
        try:
            # The shortest span is taken whole: there is no smaller piece of it.
            looked = side.look(position, position + length, length > 1)
        except TooMuch:
            if length <= 1:
                raise
            length = side.length = length // 2
            continue
        side.length = min(max(side.length, length) * 2, side.longest)
        return position + length, looked


def _by_time(look: Callable[..., Looked], since_s: int, until_s: int, bounded: bool) -> Looked:
    since, until = (datetime.fromtimestamp(second, UTC) for second in (since_s, until_s))
    return look(since, until, bounded=bounded)


def _last_second() -> int:
    return int(time.time()) - SETTLED_AFTER_S


def _chain_side(asset: Asset, site_id: UUID) -> Side:
    def look(position: int, end: int, bounded: bool) -> Looked:
        with bind_site(site_id):
            # The position was looked at, so the span begins with the block after it.
            return chain_look(asset, position + 1, end, bounded=bounded)

    def start() -> int:
        with bind_site(site_id):
            return start_block(asset, settled_block(asset))

    return Side(source_of(asset), BLOCKS_MOST, start, partial(settled_block, asset), look)


def _recheck_on_chain(one: Difference) -> None:
    with site_scope():
        place = booked.wallet_of(UUID(one.source.removeprefix("evm:")))
    told = told_on_chain(place, [one.object_id])
    with site_scope():
        found = {one.object_id: list(compare_transfer(told, None))}
        findings_write(source=one.source, subject=Subject.TRANSFER, found=found)
