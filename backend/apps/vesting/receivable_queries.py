"""Reads of receivables and of what was settled of them; sums are made in SQL, where big amounts stay exact."""

from __future__ import annotations

from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from apps.core.amounts import BaseUnitsField
from apps.sites.scope import current_site_id
from apps.vesting.models import Receivable
from apps.vesting.receivable_models import ReceivableSettlement


def receivables() -> QuerySet[Receivable]:
    """Receivables of the open scope's site with their asset, to be paged by id.

    Base units of each: ``repaid``, ``written_off``, and ``waiting`` for a second person.
    """
    rows = Receivable.objects.select_related("allocation__asset").filter(site_id=current_site_id())
    return rows.annotate(
        repaid=_sum(Q(state="done", kind="repaid")),
        written_off=_sum(Q(state="done", kind="written_off")),
        waiting=_sum(Q(state="asked")),
    )


def settled_of(*, receivable_id: UUID) -> tuple[int, int]:
    """Base units of one receivable that are settled, and that wait for a second person."""
    rows = settlements(receivable_id=receivable_id)
    sums = rows.aggregate(
        settled=Sum("amount_base_units", filter=Q(state="done")),
        waiting=Sum("amount_base_units", filter=Q(state="asked")),
    )
    return int(sums["settled"] or 0), int(sums["waiting"] or 0)


def settlements(
    *, state: str | None = None, receivable_id: UUID | None = None
) -> QuerySet[ReceivableSettlement]:
    """What was asked and decided about receivables of the open scope's site, to be paged by id."""
    rows = ReceivableSettlement.objects.filter(site_id=current_site_id())
    if receivable_id:
        rows = rows.filter(receivable_id=receivable_id)
    return rows.filter(state=state) if state else rows


def _sum(which: Q) -> Coalesce:
    own = ReceivableSettlement.objects.filter(
        which, site_id=OuterRef("site_id"), receivable_id=OuterRef("id")
    )
    total = own.order_by().values("receivable_id").annotate(total=Sum("amount_base_units")).values("total")
    return Coalesce(Subquery(total, output_field=BaseUnitsField()), 0, output_field=BaseUnitsField())
