"""Reads over all sites, through the auditor's login. Each runs inside ``platform_look`` and answers plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Count

from apps.accounts.models import Membership
from apps.audit.models import AuditEvent
from apps.orders.models import Order
from apps.payouts.models import Payout, PayoutBatch
from apps.sites.auditor import ALIAS
from apps.sites.models import Site
from apps.vesting.models import Allocation, Release

EVENTS_LIMIT = 200
COUNTED: tuple[tuple[type[models.Model], str], ...] = (
    (Membership, "role"),
    (Order, "status"),
    (Release, "status"),
    (PayoutBatch, "status"),
    (Payout, "status"),
)
FOUND_IN: tuple[type[models.Model], ...] = (Order, Allocation, Release, PayoutBatch, Payout, Membership)


@dataclass(frozen=True, slots=True)
class SiteCounts:
    """One site, and for each kind of row how many are in which state."""

    site: Site
    counts: list[tuple[str, list[tuple[str, int]]]]


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A row of some site, without what is in it beyond its state."""

    site_code: str
    kind: str
    row_id: UUID
    state: str


@dataclass(frozen=True, slots=True)
class PastEvent:
    """One audit row with its site."""

    site_code: str
    at: datetime
    who: str
    action: str
    table_name: str
    row_id: UUID
    before: Any
    after: Any


def sites_with_counts() -> list[SiteCounts]:
    """Every site by code, inactive ones too; one grouped count a kind."""
    by_kind = [(_plural(model), _counts(model, field)) for model, field in COUNTED]
    return [
        SiteCounts(site, [(kind, counts.get(site.id, [])) for kind, counts in by_kind])
        for site in Site.objects.using(ALIAS).order_by("code")
    ]


def rows_with_id(*, row_id: UUID) -> list[FoundRow]:
    """The rows that have this id, in whichever site."""
    codes, found = _site_codes(), []
    for model in FOUND_IN:
        for row in model._default_manager.using(ALIAS).filter(pk=row_id):
            state = str(getattr(row, "status", "") or getattr(row, "role", ""))
            kind = str(model._meta.verbose_name)
            found.append(FoundRow(codes[row.site_id], kind, row.pk, state))  # type: ignore[attr-defined]
    return found


def past_events(*, site_code: str = "", row_id: UUID | None = None) -> list[PastEvent]:
    """The newest EVENTS_LIMIT audit rows: of all sites, of one, or of one row."""
    codes = _site_codes()
    # Named sites and not none: the indexes of history lead with the site.
    wanted = [site_id for site_id, code in codes.items() if site_id and site_code in ("", code)]
    events = AuditEvent.objects.using(ALIAS)
    if site_code or row_id is not None:
        events = events.filter(site_id__in=wanted)
    if row_id is not None:
        events = events.filter(row_id=row_id)
    return [_past(event, codes) for event in events.order_by("-id")[:EVENTS_LIMIT]]


def _past(event: AuditEvent, codes: dict[UUID | None, str]) -> PastEvent:
    return PastEvent(
        site_code=codes[event.site_id],
        at=event.at,
        who=f"{event.actor_kind} {event.actor_id}".strip(),
        action=event.action,
        table_name=event.table_name,
        row_id=event.row_id,
        before=event.before,
        after=event.after,
    )


def _site_codes() -> dict[UUID | None, str]:
    return dict(Site.objects.using(ALIAS).values_list("id", "code"))


def _counts(model: type[models.Model], field: str) -> dict[UUID, list[tuple[str, int]]]:
    rows = model._default_manager.using(ALIAS).order_by().values_list("site_id", field)
    counts: dict[UUID, list[tuple[str, int]]] = {}
    for site_id, state, count in rows.annotate(rows=Count("pk")).order_by(field):
        counts.setdefault(site_id, []).append((str(state), count))
    return counts


def _plural(model: type[models.Model]) -> str:
    return str(model._meta.verbose_name_plural)
