"""Settling receivables: one person asks, with evidence or a reason, and another decides.

Locks: the allocation, then the settlement (docs/locking.md).
"""

from __future__ import annotations

import re
from uuid import UUID

from django.db.models import Sum
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.core.problems import Problem
from apps.payouts.batches import RowsDisagree
from apps.payouts.models import Payout
from apps.sites.scope import current_site_id, site_scope
from apps.vesting.allocation_lock import allocation_locked
from apps.vesting.models import Receivable
from apps.vesting.receivable_models import (
    COUNTED_STATES,
    ReceivableSettlement,
    SettlementKind,
    SettlementState,
)

_HASH = re.compile(r"0x[0-9a-f]{64}", re.IGNORECASE | re.ASCII)


def settlement_ask(
    *,
    receivable_id: UUID,
    kind: str,
    amount_base_units: int,
    note: str,
    asked_by_id: UUID,
    reference: str = "",
    settlement_id: UUID | None = None,
) -> ReceivableSettlement:
    """ENTRY: ask to count base units of a receivable as repaid or written off; another person has to approve it.

    ``reference`` is the evidence of ``repaid``, a transaction hash or another name of the payment, and of nothing
    else. Raises Problem 404 not_found, 400 evidence_missing or evidence_unclear, 409 evidence_used, 409
    more_than_owed.
    """
    kind, reference = SettlementKind(kind), _written_once(reference)
    if (kind is SettlementKind.REPAID) != bool(reference):
        raise Problem(
            "evidence_missing",
            400,
            _("Name the transaction or reference by which it was paid back, and for nothing else."),
        )
    with site_scope() as site_id:
        receivable = _locked(receivable_id)
        _refuse_used(reference)
        rows = ReceivableSettlement.objects.filter(site_id=site_id, receivable_id=receivable.id)
        counted = rows.filter(state__in=COUNTED_STATES).aggregate(total=Sum("amount_base_units"))["total"]
        # SettledWithinReceivable stands behind this; here it only gets a readable answer.
        if amount_base_units > receivable.amount_base_units - int(counted or 0):
            raise Problem(
                "more_than_owed",
                409,
                _("Less than that is owed, counting what waits for a second person. Look at it again."),
            )
        made = ReceivableSettlement(
            receivable_id=receivable.id,
            kind=kind,
            amount_base_units=amount_base_units,
            reference=reference,
            note=note,
            asked_by_id=asked_by_id,
        )
        made.id = settlement_id or made.id
        made.save(force_insert=True)
        return made


def settlement_approve(*, settlement_id: UUID, decided_by_id: UUID, note: str) -> ReceivableSettlement:
    """ENTRY: agree as another person; that much is owed no longer, for good.

    Raises Problem 404 not_found, 409 settlement_decided, 403 second_person_needed.
    """
    with site_scope():
        settlement = _locked_asked(settlement_id)
        # A CHECK stands behind this; here it only gets a readable answer.
        if decided_by_id == settlement.asked_by_id:
            raise Problem("second_person_needed", 403, _("Another person has to approve what you requested."))
        return _decide(settlement, SettlementState.DONE, decided_by_id, note)


def settlement_decline(*, settlement_id: UUID, decided_by_id: UUID, note: str) -> ReceivableSettlement:
    """ENTRY: do not count it; the tokens stay owed. Who asked may take it back so.

    Raises Problem 404 not_found, 409 settlement_decided.
    """
    with site_scope():
        return _decide(_locked_asked(settlement_id), SettlementState.DECLINED, decided_by_id, note)


def _written_once(reference: str) -> str:
    """One spelling of a hash: in another case or among words it would pass for another transaction."""
    reference = reference.strip()
    if not _HASH.search(reference):
        return reference
    if not _HASH.fullmatch(reference):
        raise Problem(
            "evidence_unclear",
            400,
            _("Give the transaction hash alone; what else there is to say is the note."),
        )
    return reference.lower()


def _refuse_used(reference: str) -> None:
    """STEP: before the unique rule and ReturnIsNoPayout, for a readable answer."""
    if not reference:
        return
    used = ReceivableSettlement.objects.filter(
        site_id=current_site_id(), reference=reference, state__in=COUNTED_STATES
    )
    if used.exists():
        raise Problem("evidence_used", 409, _("This is the evidence of another settlement."))
    if Payout.objects.filter(site_id=current_site_id(), tx_hash=reference).exists():
        raise Problem("evidence_used", 409, _("By this transaction tokens were paid out, not back."))


def _locked(receivable_id: UUID) -> Receivable:
    """The receivable, with its allocation locked: whoever settles a part of it waits there."""
    rows = Receivable.objects.filter(site_id=current_site_id(), id=receivable_id)
    receivable = rows.first()
    if receivable is None:
        raise Problem("not_found", 404, _("There is no such receivable."))
    allocation_locked(receivable.allocation_id)
    return receivable


def _locked_asked(settlement_id: UUID) -> ReceivableSettlement:
    rows = ReceivableSettlement.objects.select_for_update().filter(site_id=current_site_id())
    settlement = rows.filter(id=settlement_id).first()
    if settlement is None:
        raise Problem("not_found", 404, _("There is no such settlement."))
    if settlement.state != SettlementState.ASKED:
        raise Problem("settlement_decided", 409, _("This is decided already."))
    return settlement


def _decide(
    settlement: ReceivableSettlement, state: SettlementState, decided_by_id: UUID, note: str
) -> ReceivableSettlement:
    rows = ReceivableSettlement.objects.filter(
        site_id=current_site_id(), id=settlement.id, state=SettlementState.ASKED
    )
    changed = rows.update(state=state, decided_by_id=decided_by_id, decided_at=Now(), decision_note=note)
    if changed != 1:
        raise RowsDisagree(f"{changed} rows changed where settlement {settlement.id} was locked")
    settlement.refresh_from_db()
    return settlement
