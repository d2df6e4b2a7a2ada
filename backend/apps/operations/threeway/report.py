"""What the check knows: open differences of sites, and money that names no site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.operations.models import Difference, StrayPayment
from apps.sites.scope import bind_site, site_scope

PAGE = 500


@dataclass(frozen=True, slots=True)
class Reported:
    """One open difference. ``row`` is our order, refund or payout; ``reason`` why a person lets it stand."""

    site: str
    kind: str
    object_id: str
    row: str
    expected: str
    found: str
    first_seen: datetime
    reason: str

    @property
    def is_acknowledged(self) -> bool:
        return bool(self.reason)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"first_seen": self.first_seen.isoformat()}


def differences_open(codes: Mapping[UUID, str]) -> Iterator[Reported]:
    """ENTRY: the open differences of these sites, by their codes, the oldest first; a page at a time."""
    for site_id, code in codes.items():
        last: UUID | None = None
        while rows := _page(site_id, last):
            last = rows[-1].id
            yield from (_reported(code, row) for row in rows)


def strays() -> list[StrayPayment]:
    """Payments at Stripe that name no site, the newest thousand."""
    return list(StrayPayment.objects.order_by("-first_seen_at")[:1000])


def _page(site_id: UUID, last: UUID | None) -> list[Difference]:
    with bind_site(site_id), site_scope():
        rows = Difference.objects.filter(site_id=site_id, next_check_at__isnull=False).order_by("id")
        return list(rows.filter(id__gt=last)[:PAGE] if last else rows[:PAGE])


def _reported(code: str, row: Difference) -> Reported:
    return Reported(
        site=code,
        kind=row.kind,
        object_id=row.object_id,
        row=str(row.row_id or ""),
        expected=row.expected,
        found=row.found,
        first_seen=row.first_seen_at,
        reason=row.reason,
    )
