"""Which statuses a transaction goes through, normally and for each ordered outcome."""

from __future__ import annotations

Step = tuple[str, str]  # status, subStatus

FINAL = frozenset({"COMPLETED", "CANCELLED", "BLOCKED", "REJECTED", "FAILED"})
ON_CHAIN = frozenset({"BROADCASTING", "CONFIRMING", "COMPLETED"})

_START: list[Step] = [("PENDING_AUTHORIZATION", ""), ("QUEUED", "")]
_CHAIN: list[Step] = [("BROADCASTING", ""), ("CONFIRMING", "PENDING_BLOCKCHAIN_CONFIRMATIONS")]
NORMAL: list[Step] = [*_START, *_CHAIN, ("COMPLETED", "CONFIRMED")]

WALKS: dict[str, list[Step]] = {
    "": NORMAL,
    "wrong_amount": NORMAL,
    "wrong_address": NORMAL,
    "failed": [*_START, ("FAILED", "INTERNAL_ERROR")],
    "failed_with_hash": [*_START, *_CHAIN, ("FAILED", "SMART_CONTRACT_EXECUTION_FAILED")],
    "rejected": [_START[0], ("REJECTED", "REJECTED_BY_USER")],
    "blocked": [_START[0], ("BLOCKED", "BLOCKED_BY_POLICY")],
    "unknown_status": [_START[0], ("PENDING_SANDBOX_REVIEW", "")],
    "stuck": [_START[0]],
}
OUTCOMES = frozenset(WALKS) - {""}


def rest_of_the_way(status: str) -> list[Step]:
    """The normal steps after a status; all of them after one that is not on the way."""
    names = [name for name, _ in NORMAL]
    return NORMAL[names.index(status) + 1 :] if status in names else NORMAL[1:]
