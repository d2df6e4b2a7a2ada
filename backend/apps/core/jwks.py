"""Public signature keys published as a JSON Web Key Set (RFC 7517), fetched and kept."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from apps.core.remote import refuse_inside_transaction

logger = logging.getLogger(__name__)

MIN_KEY_BITS = 2048
MAX_SET_BYTES = 256 * 1024


class UnknownKid(Exception):
    """The published set is at hand and has no such key."""


class JwksUnavailable(Exception):
    """The set could not be fetched, so nothing can be said about this key."""


class JwksCache:
    """RSA signature keys of one address, by key id. Safe to share between threads.

    The set is fetched again when it is `ttl_s` old, or when an unknown key id is asked for, but never more
    often than every `refetch_floor_s`: forged ids must not become requests to the publisher. Keys that are
    known go on working while the publisher cannot be reached.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float = 3,
        ttl_s: float = 600,
        refetch_floor_s: float = 30,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._ttl_s = ttl_s
        self._refetch_floor_s = refetch_floor_s
        self._clock = clock
        self._fetching = threading.Lock()
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._last_try_failed = False

    def key_for(self, kid: str) -> RSAPublicKey:
        """The key with this id. Raises UnknownKid or JwksUnavailable."""
        key = self._keys.get(kid)
        if key is not None:
            return self._refreshed(kid, key) if self._is_old() else key
        with self._fetching:
            # Whoever held the lock before us may just have fetched it.
            if kid not in self._keys and self._may_try():
                self._fetch()
            return self._found_now(kid)

    def _refreshed(self, kid: str, key: RSAPublicKey) -> RSAPublicKey:
        """Fetch an old set again, unless another thread is at it; the old key must not wait for that."""
        if not self._fetching.acquire(blocking=False):
            return key
        try:
            if self._is_old() and self._may_try():
                self._fetch()
            return self._found_now(kid)
        finally:
            self._fetching.release()

    def _found_now(self, kid: str) -> RSAPublicKey:
        key = self._keys.get(kid)
        if key is not None:
            return key
        if self._last_try_failed or self._fetched_at is None:
            raise JwksUnavailable(self._url)
        raise UnknownKid(kid)

    def _is_old(self) -> bool:
        return self._fetched_at is None or self._clock() - self._fetched_at >= self._ttl_s

    def _may_try(self) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= self._refetch_floor_s

    def _fetch(self) -> None:
        refuse_inside_transaction()
        self._tried_at = self._clock()
        try:
            keys = _usable_keys(_download(self._url, self._timeout_s))
        except (requests.RequestException, ValueError, RecursionError) as error:
            # Kept keys stay valid: an outage of the publisher must not lock everybody out.
            self._last_try_failed = True
            logger.warning("JWKS %s could not be fetched: %s", self._url, type(error).__name__)
            return
        self._keys, self._fetched_at, self._last_try_failed = keys, self._clock(), False


@lru_cache(maxsize=8)
def shared_cache(url: str) -> JwksCache:
    """The one cache of this process for an address."""
    return JwksCache(url)


def _download(url: str, timeout_s: float) -> Any:
    body = b""
    deadline = time.monotonic() + timeout_s
    # A redirect could lead to an address that nobody configured.
    with requests.get(url, timeout=timeout_s, allow_redirects=False, stream=True) as response:
        if response.status_code != 200:
            raise ValueError(f"HTTP {response.status_code}")
        for piece in response.iter_content(16 * 1024):
            body += piece
            # The timeout of requests is one for each read: a trickle would hold the lock for hours.
            if len(body) > MAX_SET_BYTES or time.monotonic() > deadline:
                raise ValueError("the key set is too large or comes too slowly")
    return json.loads(body)


def _usable_keys(document: Any) -> dict[str, RSAPublicKey]:
    """Key id -> key. Other kinds, other uses and weak keys are passed over; none left: ValueError."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a key set")
    keys: dict[str, RSAPublicKey] = {}
    for entry in entries:
        if isinstance(entry, dict) and (key := _signature_key(entry)) is not None:
            keys.setdefault(entry["kid"], key)
    if not keys:
        # An empty answer in place of keys is an accident of the publisher, not a revocation of everything.
        raise ValueError("no usable key in the set")
    return keys


def _signature_key(entry: dict[str, Any]) -> RSAPublicKey | None:
    kid = entry.get("kid")
    if not (isinstance(kid, str) and kid and entry.get("kty") == "RSA" and entry.get("use", "sig") == "sig"):
        return None
    try:
        key = RSAPublicNumbers(_integer(entry["e"]), _integer(entry["n"])).public_key()
    except (KeyError, TypeError, ValueError):
        return None
    return key if key.key_size >= MIN_KEY_BITS else None


def _integer(text: str) -> int:
    """A base64url number (RFC 7518, section 6.3.1)."""
    if not isinstance(text, str) or len(text) > 4096:
        raise TypeError("not a base64url number")
    try:
        return int.from_bytes(
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True), "big"
        )
    except binascii.Error as error:
        raise ValueError("not a base64url number") from error
