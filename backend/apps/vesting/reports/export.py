"""All releases of a site as CSV, page by page: memory stays that of one page, however many there are.

No cursor of the server: it would hold one transaction open as long as the reader is slow, and a pooler in transaction
mode has none. Each page is a transaction of its own, by the key after the last one, so the export is no picture of one
instant: a release that changes meanwhile is told as it was when its page was read.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core.amounts import format_base_units
from apps.core.instants import utc_text
from apps.sites.scope import site_scope
from apps.vesting.models import Release
from apps.vesting.schedule import NEVER

PAGE = 2_000
_COLUMNS = (
    *("id", "allocation_id", "allocation__beneficiary_id", "allocation__asset__code"),
    *("allocation__asset__decimals", "number", "unlock_at", "amount_base_units", "status"),
    *("unlocked_at", "released_at", "payout_id", "tx_hash", "milestone"),
)
HEAD = (
    *("id", "allocation_id", "beneficiary_id", "asset_code", "number", "unlock_at", "amount_base_units"),
    *("amount_tokens", "status", "unlocked_at", "released_at", "payout_id", "tx_hash", "milestone"),
)


def releases_csv(*, site_id: UUID, page_rows: int = PAGE) -> Iterator[bytes]:
    """Pieces of the file: a line of names, one line a release by id, and at last ``sha256,<hash of all before>``.

    Whoever finds no such last line has not got everything. Opens its own scopes; replaced releases are in it too.
    """
    digest, after = hashlib.sha256(), None
    piece = _lines([HEAD])
    while piece:
        digest.update(piece)
        yield piece
        rows = _page(site_id, after, page_rows)
        piece = _lines(_line(row) for row in rows)
        after = rows[-1][0] if rows else after
    yield f"sha256,{digest.hexdigest()}\r\n".encode()


def _page(site_id: UUID, after: UUID | None, limit: int) -> list[tuple[Any, ...]]:
    with site_scope(site_id):
        rows = Release.objects.filter(site_id=site_id).order_by("id")
        if after is not None:
            rows = rows.filter(id__gt=after)
        return list(rows.values_list(*_COLUMNS)[:limit])


def _line(row: tuple[Any, ...]) -> list[Any]:
    *ids, code, decimals, number, unlock_at, amount, status = row[:9]
    unlocked_at, released_at, payout_id, tx_hash, milestone = row[9:]
    # Until its milestone is reached it has no date.
    due = _text(unlock_at if unlock_at < NEVER else None)
    what = [*ids, code, number, due, str(int(amount)), format_base_units(int(amount), decimals), status]
    return [*what, _text(unlocked_at), _text(released_at), payout_id or "", tx_hash, milestone]


def _lines(rows: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _text(at: datetime | None) -> str:
    return utc_text(at) if at else ""
