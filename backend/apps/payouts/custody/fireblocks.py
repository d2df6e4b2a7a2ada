"""Fireblocks as the custody provider: a thin signed client (their SDK costs 7 s and 100 MB to import)."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import time
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, urlencode

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from apps.core.remote import RemoteRejected, refuse_inside_transaction
from apps.payouts.custody.amounts import to_provider_amount
from apps.payouts.custody.base import CustodyUnknown, TransferRequest, TransferTruth
from apps.payouts.custody.fireblocks_answers import (
    decimals_of,
    json_object,
    refusal_of,
    retry_after_s,
    truth_of,
    unusable,
)
from apps.payouts.custody.fireblocks_assets import pin_decimals, pinned_decimals
from apps.payouts.custody.fireblocks_listing import ListedTransfer, listed_of
from apps.payouts.custody.pace import Pace, SharedPace, Unpaced

logger = logging.getLogger(__name__)

DEFAULT_API_BASE = "https://api.fireblocks.io"
TIMEOUT_S = (3, 8)  # connect, read
PAGE_SIZE, PAGE_SIZE_MOST = 200, 500  # Source: Fireblocks' reference, "List transaction history"
DAY_MS = 86_400_000
TOKEN_LIFE_S = 25  # Fireblocks refuses 30 s and more


class SignedRequest(AuthBase):
    """Signs what is really sent: path with query, and the SHA-256 of the raw body (docs: "Sign a request").

    The signature is a fence too: Fireblocks takes it for TOKEN_LIFE_S, and after ``leave_by_s`` none is made.
    """

    def __init__(self, api_key: str, private_key: RSAPrivateKey, leave_by_s: float | None = None) -> None:
        self._api_key = api_key
        self._private_key = private_key
        self._leave_by_s = leave_by_s

    def until(self, leave_by_s: float | None) -> SignedRequest:
        """The same, for one request that has to leave by then."""
        return SignedRequest(self._api_key, self._private_key, leave_by_s)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        now_s = int(time.time())
        # The same reading of the clock as in the token: a pause after this line outlives the token.
        if self._leave_by_s is not None and now_s > self._leave_by_s:
            raise CustodyUnknown("custody_send_too_late", "the worker stood still before it sent")
        body = request.body or b""
        claims = {
            "uri": request.path_url,
            "nonce": secrets.token_hex(16),
            "iat": now_s,
            "exp": now_s + TOKEN_LIFE_S,
            "sub": self._api_key,
            "bodyHash": hashlib.sha256(body.encode() if isinstance(body, str) else body).hexdigest(),
        }
        request.headers["X-API-Key"] = self._api_key
        request.headers["Authorization"] = (
            f"Bearer {jwt.encode(claims, self._private_key, algorithm='RS256')}"
        )
        return request


class FireblocksCustody:
    """The Custody protocol over Fireblocks' API v1. Errors and meanings are those of custody/base.py."""

    def __init__(
        self, api_key: str, private_key_pem: str, api_base: str = "", *, pace: Pace | None = None
    ) -> None:
        self._pace = pace or Unpaced()
        base = (api_base or DEFAULT_API_BASE).rstrip("/")
        self._base = base.removesuffix("/v1")
        self._session = requests.Session()
        self._signed = SignedRequest(api_key, _private_key(private_key_pem))
        # A retry inside the transport would send a second time without our knowing.
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=8, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __repr__(self) -> str:
        return f"FireblocksCustody({self._base})"

    @classmethod
    def from_settings(cls) -> FireblocksCustody:
        """The client of this process for FIREBLOCKS_API_KEY, FIREBLOCKS_PRIVATE_KEY, FIREBLOCKS_API_BASE."""
        return _shared(
            settings.FIREBLOCKS_API_KEY,
            settings.FIREBLOCKS_PRIVATE_KEY.replace("\\n", "\n"),
            settings.FIREBLOCKS_API_BASE or "",
        )

    def require_asset(self, request: TransferRequest) -> None:
        """See Custody.require_asset."""
        refuse_inside_transaction()
        told = pinned_decimals(request.asset_id)
        if told is None:
            told = self._decimals_of(request.asset_id)
            if told == request.decimals:
                pin_decimals(request.asset_id, told)
        if told != request.decimals:
            said = f"the provider's {request.asset_id} has {told} decimals, the asset {request.decimals}"
            raise RemoteRejected("fireblocks_decimals_differ", said)

    def submit(self, request: TransferRequest) -> str:
        """See Custody.submit. No Idempotency-Key is sent: the external id is what holds for ever."""
        body = _transfer_body(request)
        response = self._call("POST", "/v1/transactions", body, leave_by_s=request.leave_by_s)
        answer = json_object(response)
        if response.status_code == 400 and answer is not None:
            raise refusal_of(answer)
        if response.status_code not in (200, 201) or answer is None:
            raise unusable(response)
        provider_id = answer.get("id")
        if not isinstance(provider_id, str) or not provider_id:
            raise CustodyUnknown("custody_answer_unreadable", "accepted without an id")
        return provider_id

    def find_by_external_id(self, external_id: str, *, decimals: int) -> TransferTruth | None:
        """See Custody.find_by_external_id."""
        found = self._look_up(f"external_tx_id/{quote(external_id, safe='')}", decimals)
        if found is not None and found.external_id != external_id:
            # Settling a payout by another transfer's outcome would pay one twice and the other never.
            raise CustodyUnknown("custody_answer_mismatch", "another external id was answered")
        return found

    def get(self, provider_transfer_id: str, *, decimals: int) -> TransferTruth | None:
        """See Custody.get."""
        found = self._look_up(quote(provider_transfer_id, safe=""), decimals)
        if found is not None and found.provider_transfer_id != provider_transfer_id:
            raise CustodyUnknown("custody_answer_mismatch", "another transfer was answered")
        return found

    def require_answer(self) -> None:
        """One cheap question, whether the provider answers and takes the key; errors as find_by_external_id."""
        now_ms = int(time.time() * 1000)
        self._page(now_ms, now_ms + DAY_MS, limit="1")

    def list_transfers(
        self, *, created_from: datetime, created_before: datetime
    ) -> Iterator[list[ListedTransfer]]:
        """Pages of the workspace's transactions of a span of time, the oldest first; each transaction once.

        Source: Fireblocks' reference, "List transaction history". Raises CustodyUnknown and
        CustodyCredentialsRefused. Pages are fetched while one iterates: no transaction may be open then either.
        """
        after_ms = int(created_from.timestamp() * 1000) - 1
        before_ms = int(created_before.timestamp() * 1000)
        seen: set[str] = set()
        while True:
            found = self._page(after_ms, before_ms)
            new = [one for one in found if one.provider_transfer_id not in seen]
            yield new
            if len(found) < PAGE_SIZE:
                return
            if not new:
                # More of one millisecond than a page holds: going on would ask the same for ever.
                raise CustodyUnknown("custody_list_stuck", f"{after_ms} ms")
            # Its last millisecond once more: the page may have ended in the middle of it.
            after_ms = found[-1].created_ms - 1
            seen = {one.provider_transfer_id for one in found}

    def list_sent(self, *, created_from: datetime, asset_id: str, vault_id: str) -> list[ListedTransfer]:
        """One page of what a vault account sent of one asset since then, the oldest first; errors as list_transfers.

        What is not on it may exist all the same: the page ends, and a call may still be on its way.
        """
        now_ms = int(time.time() * 1000)
        sent = {"sourceType": "VAULT_ACCOUNT", "sourceId": vault_id, "assets": asset_id}
        sent["limit"] = str(PAGE_SIZE_MOST)
        # Both ends are told: left out, Fireblocks looks at its last 90 days. A day ahead, as clocks differ.
        return self._page(int(created_from.timestamp() * 1000) - 1, now_ms + DAY_MS, **sent)

    def _page(self, after_ms: int, before_ms: int, **only: str) -> list[ListedTransfer]:
        query = urlencode(
            {
                "after": after_ms,
                "before": before_ms,
                "orderBy": "createdAt",
                "sort": "ASC",
                "limit": PAGE_SIZE,
                **only,
            }
        )
        response = self._call("GET", f"/v1/transactions?{query}")
        listed = listed_of(response) if response.status_code == 200 else None
        if listed is None:
            raise unusable(response)
        return listed

    def _decimals_of(self, asset_id: str) -> int:
        """Source: Fireblocks' reference, "Get an asset": by its legacy id, the one that transactions take."""
        response = self._call("GET", f"/v1/assets/{quote(asset_id, safe='')}")
        answer = json_object(response)
        if response.status_code == 404 and answer is not None:
            raise RemoteRejected("fireblocks_asset_unknown", f"the provider has no asset {asset_id}")
        if response.status_code != 200 or answer is None:
            raise unusable(response)
        return decimals_of(answer, asset_id)

    def _look_up(self, tail: str, decimals: int) -> TransferTruth | None:
        response = self._call("GET", f"/v1/transactions/{tail}")
        answer = json_object(response)
        # A 404 that is no JSON comes from a proxy or a wrong address and says nothing about the transfer.
        if response.status_code == 404 and answer is not None:
            return None
        if response.status_code != 200 or answer is None:
            raise unusable(response)
        return truth_of(answer, decimals)

    def _call(
        self, method: str, path: str, body: bytes | None = None, *, leave_by_s: float | None = None
    ) -> requests.Response:
        refuse_inside_transaction()
        self._pace.take()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            response = self._session.request(
                method,
                self._base + path,
                data=body,
                headers=headers,
                auth=self._signed.until(leave_by_s),
                timeout=TIMEOUT_S,
                # Following one would send the signed body to an address that nobody configured.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            logger.warning("Fireblocks %s %s: %s", method, path, type(error).__name__)
            raise CustodyUnknown("custody_unreachable", type(error).__name__) from None
        if response.status_code >= 300:
            logger.warning("Fireblocks %s %s: HTTP %s", method, path, response.status_code)
        if response.status_code == 429:
            self._pace.pause(retry_after_s(response))
        return response


@lru_cache(maxsize=4)
def _shared(api_key: str, private_key_pem: str, api_base: str) -> FireblocksCustody:
    return FireblocksCustody(api_key, private_key_pem, api_base, pace=SharedPace("fireblocks"))


def _private_key(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        # `from None`: the parser's own message may quote the key.
        raise ValueError("FIREBLOCKS_PRIVATE_KEY is not an unencrypted PEM private key") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("FIREBLOCKS_PRIVATE_KEY is not an RSA key")
    return key


def _transfer_body(request: TransferRequest) -> bytes:
    body = {
        "operation": "TRANSFER",
        "externalTxId": request.external_id,
        "assetId": request.asset_id,
        "amount": to_provider_amount(request.amount_base_units, request.decimals),
        "source": {"type": "VAULT_ACCOUNT", "id": request.vault_account_id},
        "destination": {"type": "ONE_TIME_ADDRESS", "oneTimeAddress": {"address": request.to_address}},
        "note": request.note,
    }
    return json.dumps(body, separators=(",", ":")).encode()
