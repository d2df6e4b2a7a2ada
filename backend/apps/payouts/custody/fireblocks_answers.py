"""What Fireblocks' answers mean to us."""

from __future__ import annotations

import json
from typing import Any

import requests

from apps.core.remote import RemoteError, RemoteRejected
from apps.payouts.custody.amounts import from_provider_amount
from apps.payouts.custody.base import (
    AlreadySubmitted,
    CustodyCredentialsRefused,
    CustodyUnknown,
    TransferPhase,
    TransferTruth,
)

DUPLICATE_EXTERNAL_ID = 1438
ENDED_WITHOUT_SUCCESS = frozenset({"CANCELLED", "BLOCKED", "REJECTED", "FAILED"})


def phase_of(status: str, sub_status: str, tx_hash: str | None) -> TransferPhase:
    """Our meaning of a primary status.

    Source: Fireblocks' "Primary transaction statuses" and "Completed substatuses". A hash can exist on FAILED
    and REJECTED, so those do not prove that nothing moved. COMPLETED_BUT_3RD_PARTY_* moved on chain and did
    not arrive. A status that we do not know is never final.
    """
    if status == "COMPLETED":
        half_done = sub_status.startswith("COMPLETED_BUT_")
        return TransferPhase.NEEDS_PERSON if half_done else TransferPhase.COMPLETED
    if status in ENDED_WITHOUT_SUCCESS:
        return TransferPhase.NEEDS_PERSON if tx_hash else TransferPhase.FAILED_NOTHING_MOVED
    return TransferPhase.IN_FLIGHT


def json_object(response: requests.Response) -> dict[str, Any] | None:
    """The body, when it is a JSON object. Numbers with a point stay text: a float would lose tokens."""
    try:
        answer = json.loads(response.content, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def refusal_of(answer: dict[str, Any]) -> RemoteError:
    """The meaning of a 400 in the provider's own words."""
    code, message = answer.get("code"), str(answer.get("message", ""))[:500]
    if code == DUPLICATE_EXTERNAL_ID:
        return AlreadySubmitted("custody_already_submitted", message)
    return RemoteRejected(f"fireblocks_{code}" if isinstance(code, int) else "fireblocks_rejected", message)


def unusable(response: requests.Response) -> RemoteError:
    """The meaning of an answer that tells nothing about the transfer itself."""
    status = response.status_code
    if status in (401, 403):
        return CustodyCredentialsRefused("custody_credentials_refused", f"HTTP {status}")
    code = "custody_rate_limited" if status == 429 else "custody_unavailable"
    return CustodyUnknown(code, f"HTTP {status}", retry_after_s=retry_after_s(response))


def retry_after_s(response: requests.Response) -> int | None:
    """The pause that the provider asked for, at most an hour; None when it named none."""
    value = response.headers.get("Retry-After", "")
    # The form with a date is left out: our own backoff serves as well.
    return min(int(value), 3600) if value.isascii() and value.isdigit() and len(value) < 8 else None


def truth_of(answer: dict[str, Any], decimals: int) -> TransferTruth:
    """A transaction as Fireblocks describes it. Raises CustodyUnknown without an id or a status."""
    transfer_id, status = _text(answer, "id"), _text(answer, "status")
    if transfer_id is None or status is None:
        raise CustodyUnknown("custody_answer_unreadable", "no id or no status")
    tx_hash, sub_status = _text(answer, "txHash"), _text(answer, "subStatus") or ""
    return TransferTruth(
        provider_transfer_id=transfer_id,
        external_id=_text(answer, "externalTxId"),
        phase=phase_of(status, sub_status, tx_hash),
        raw_status=status,
        sub_status=sub_status,
        tx_hash=tx_hash,
        asset_id=_text(answer, "assetId"),
        amount_base_units=_amount(answer, decimals),
        to_address=_text(answer, "destinationAddress") or _one_time_address(answer),
    )


def decimals_of(answer: dict[str, Any], asset_id: str) -> int:
    """The decimals of an asset as Fireblocks describes it. Raises CustodyUnknown when it does not say them.

    Source: Fireblocks' reference, "Get an asset" (``legacyId``, ``onchain.decimals``).
    """
    if asset_id not in (answer.get("legacyId"), answer.get("id")):
        raise CustodyUnknown("custody_answer_mismatch", "another asset was answered")
    onchain = answer.get("onchain")
    told = onchain.get("decimals") if isinstance(onchain, dict) else None
    # Their schema calls it a number: 18.0 is possible, and is text here (json_object).
    text = str(told).removesuffix(".0")
    if isinstance(told, bool) or not (text.isascii() and text.isdigit() and len(text) < 4):
        raise CustodyUnknown("custody_answer_unreadable", "an asset without decimals")
    return int(text)


def _text(answer: dict[str, Any], name: str) -> str | None:
    value = answer.get(name)
    return value if isinstance(value, str) and value else None


def _amount(answer: dict[str, Any], decimals: int) -> int | None:
    """amountInfo is exact text; the older `amount` is a JSON number and may have lost digits."""
    info = answer.get("amountInfo")
    told = info.get("amount") if isinstance(info, dict) else None
    told = answer.get("amount") if told is None else told
    try:
        return from_provider_amount(str(told), decimals)
    except ValueError:
        return None


def _one_time_address(answer: dict[str, Any]) -> str | None:
    destination = answer.get("destination")
    one_time = destination.get("oneTimeAddress") if isinstance(destination, dict) else None
    return _text(one_time, "address") if isinstance(one_time, dict) else None
