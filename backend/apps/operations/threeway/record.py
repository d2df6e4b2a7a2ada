"""Writing what a look found: one open row a difference, closed by the look that does not find it any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, When
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.core.problems import Problem
from apps.operations.models import Difference
from apps.operations.threeway.compare import Finding, Kind, Subject
from apps.sites.scope import current_site_id, site_scope

LOOK_AGAIN = timedelta(minutes=5)
LOOK_AGAIN_ACKNOWLEDGED = timedelta(days=1)
_TEXT_MAX = 200

Findings = Mapping[str, Sequence[Finding]]
KINDS: dict[Subject, list[str]] = {
    subject: [kind.value for kind in Kind if kind.startswith(subject.value)] for subject in Subject
}


@dataclass(frozen=True, slots=True)
class Looked:
    """How many subjects were compared, and how many differences they have."""

    compared: int = 0
    different: int = 0

    def __add__(self, other: Looked) -> Looked:
        return Looked(self.compared + other.compared, self.different + other.different)


def findings_write(*, source: str, subject: Subject, found: Findings) -> Looked:
    """STEP: ``found`` holds every subject that was compared, by its key, with its differences (or none)."""
    known = _open(subject, found)
    wanted = {(one.kind.value, key): one for key, ones in found.items() for one in ones}
    fresh = [
        _row(source, subject, key, one) for (kind, key), one in wanted.items() if (kind, key) not in known
    ]
    # Another worker may have found it in the same moment: the row is there then, which is all that is wanted.
    Difference.objects.bulk_create(fresh, ignore_conflicts=True)
    for place, row in known.items():
        if place in wanted:
            _seen_again(row, wanted[place])
        else:
            _rows([row.id]).update(closed_at=Now(), next_check_at=None)
    return Looked(compared=len(found), different=len(wanted))


def differences_claim(*, limit: int) -> list[Difference]:
    """ENTRY: open differences whose next look is due, put off at once so that a provider that is away is not
    asked without pause."""
    with site_scope() as site_id:
        rows = Difference.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            site_id=site_id, next_check_at__lte=Now()
        )
        claimed = list(rows.order_by("next_check_at")[:limit])
        _rows([row.id for row in claimed]).update(next_check_at=_next_look())
    return claimed


def difference_acknowledge(*, ids: Sequence[UUID], member_id: UUID, reason: str) -> int:
    """ENTRY: a person knows these differences and says why; they stay open, and are looked at daily.

    Returns how many. Raises Problem difference_reason_missing. What is closed or acknowledged stays as it is.
    """
    if not reason.strip():
        raise Problem("difference_reason_missing", 400, _("Say why the difference may stand."))
    with site_scope():
        rows = _rows(ids).filter(acknowledged_by__isnull=True)
        done: int = rows.update(
            acknowledged_by=member_id,
            acknowledged_at=Now(),
            reason=reason.strip()[:500],
            next_check_at=Now() + LOOK_AGAIN_ACKNOWLEDGED,
        )
    return done


def _open(subject: Subject, keys: Iterable[str]) -> dict[tuple[str, str], Difference]:
    rows = Difference.objects.filter(
        site_id=current_site_id(),
        kind__in=KINDS[subject],
        object_id__in=list(keys),
        closed_at__isnull=True,
    )
    return {(row.kind, row.object_id): row for row in rows.select_for_update(of=("self",)).order_by("id")}


def _rows(ids: Sequence[UUID]) -> Any:
    return Difference.objects.filter(site_id=current_site_id(), id__in=ids, closed_at__isnull=True)


def _row(source: str, subject: Subject, key: str, one: Finding) -> Difference:
    now = timezone.now()
    return Difference(
        kind=one.kind.value,
        subject=subject.value,
        object_id=key,
        source=source,
        row_id=one.row_id,
        expected=one.expected[:_TEXT_MAX],
        found=one.found[:_TEXT_MAX],
        first_seen_at=now,
        last_seen_at=now,
        next_check_at=now + LOOK_AGAIN,
    )


def _seen_again(row: Difference, one: Finding) -> None:
    _rows([row.id]).update(
        row_id=one.row_id,
        expected=one.expected[:_TEXT_MAX],
        found=one.found[:_TEXT_MAX],
        last_seen_at=Now(),
        next_check_at=_next_look(),
    )


def _next_look() -> Case:
    acknowledged = When(acknowledged_by__isnull=False, then=Now() + LOOK_AGAIN_ACKNOWLEDGED)
    return Case(acknowledged, default=Now() + LOOK_AGAIN)
