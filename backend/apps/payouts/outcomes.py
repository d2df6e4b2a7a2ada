"""What became of payouts, told to the room above that owes the tokens. This room does not know which one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from apps.sites.scope import require_scope


class OutcomeKind(StrEnum):
    """``resumed``: held before, and on its way again."""

    PAID = "paid"
    FAILED = "failed"
    HELD = "held"
    CANCELLED = "cancelled"
    RESUMED = "resumed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """``tx_hash`` is set for ``paid`` only."""

    kind: OutcomeKind
    tx_hash: str = ""


Handler = Callable[[Sequence[UUID], Outcome], None]

_handlers: list[Handler] = []


class NobodyListens(RuntimeError):
    """No room registered itself: settling a payout would forget whose tokens they were."""


def register(handler: Handler) -> None:
    """Name the one handler, from an AppConfig.ready(). Raises ValueError for a second, different one."""
    if _handlers and _handlers != [handler]:
        raise ValueError("payouts have one outcome handler, and it is registered already")
    _handlers[:] = [handler]


def announce(payout_ids: Sequence[UUID], outcome: Outcome) -> None:
    """STEP: tell the handler, in the transaction that changes the payouts' state."""
    require_scope()
    if not _handlers:
        raise NobodyListens("register an outcome handler before payouts are settled")
    if payout_ids:
        _handlers[0](payout_ids, outcome)
