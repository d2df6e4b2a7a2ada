"""Fireblocks' list of transactions, as far as a look over many of them needs it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import requests

from apps.payouts.custody.base import CustodyUnknown, TransferTruth
from apps.payouts.custody.fireblocks_answers import truth_of


@dataclass(frozen=True, slots=True)
class ListedTransfer:
    """One transaction of the workspace, which need not be ours. ``vault_id`` is empty when no vault sent it."""

    provider_transfer_id: str
    external_id: str
    asset_id: str
    vault_id: str
    created_ms: int
    _answer: dict[str, Any] = field(repr=False)

    def truth(self, decimals: int) -> TransferTruth:
        """What it says, for an asset with these decimals. Raises CustodyUnknown."""
        return truth_of(self._answer, decimals)


def listed_of(response: requests.Response) -> list[ListedTransfer] | None:
    """The body of a list, None when it is none. Numbers with a point stay text: a float would lose tokens."""
    try:
        answer = json.loads(response.content, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return [_listed(one) for one in answer] if isinstance(answer, list) else None


def _listed(answer: Any) -> ListedTransfer:
    created_ms = answer.get("createdAt") if isinstance(answer, dict) else None
    if type(created_ms) is not int or not isinstance(answer.get("id"), str):
        # A transaction that is left out in silence could be the one that nobody ordered.
        raise CustodyUnknown("custody_answer_unreadable", "a listed transaction without id or time")
    source = answer.get("source")
    is_vault = isinstance(source, dict) and source.get("type") == "VAULT_ACCOUNT"
    return ListedTransfer(
        provider_transfer_id=answer["id"],
        external_id=str(answer.get("externalTxId") or ""),
        asset_id=str(answer.get("assetId") or ""),
        vault_id=str(source.get("id") or "") if is_vault else "",
        created_ms=created_ms,
        _answer=answer,
    )
