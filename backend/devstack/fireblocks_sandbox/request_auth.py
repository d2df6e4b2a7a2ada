"""Checks API key and JWT (https://developers.fireblocks.com/reference/signing-a-request-jwt-structure)."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

import jwt

from devstack.fireblocks_sandbox import errors
from devstack.fireblocks_sandbox.errors import FireblocksError
from devstack.http_messages import Request
from devstack.sandbox_parts.clock import Clock
from devstack.sandbox_parts.store import Store

_LEEWAY_S = 5
_REQUIRED = ["uri", "nonce", "iat", "exp", "sub", "bodyHash"]


class RequestAuth:
    """Knows the API key and the client's public key; remembers nonces in the state file."""

    def __init__(
        self, store: Store, *, api_key: str, public_key_pem: str, max_token_s: int, clock: Clock
    ) -> None:
        self._store = store
        self._clock = clock
        self._api_key = api_key
        self._public_key_pem = public_key_pem
        self._max_token_s = max_token_s

    def check(self, request: Request) -> None:
        """FireblocksError 401 unless the request is signed by the client, for this path and body, now and once."""
        if not hmac.compare_digest(request.headers.get("x-api-key", "").encode(), self._api_key.encode()):
            raise FireblocksError(401, errors.MISSING_API_KEY, "Missing or unknown API key")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise FireblocksError(401, errors.MISSING_TOKEN, "Missing JWT")
        self._check_claims(self._decode(token), request)

    def _decode(self, token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._public_key_pem,
                algorithms=["RS256"],
                # Times are compared with the sandbox's own clock below.
                options={
                    "require": _REQUIRED,
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidSignatureError as error:
            raise FireblocksError(401, errors.INVALID_SIGNATURE, "Invalid signature") from error
        except jwt.InvalidTokenError as error:
            raise FireblocksError(401, errors.INVALID_TOKEN, f"Invalid token format: {error}") from error
        return claims

    def _check_claims(self, claims: dict[str, Any], request: Request) -> None:
        now_s = self._clock.now_s()
        if int(claims["exp"]) <= now_s - _LEEWAY_S:
            raise FireblocksError(401, errors.EXPIRED, "The request has expired")
        if int(claims["iat"]) > now_s + _LEEWAY_S:
            raise FireblocksError(401, errors.FUTURE_TOKEN, "Issued in the future")
        if claims["sub"] != self._api_key:
            raise FireblocksError(401, errors.WRONG_USER, "Wrong user in the JWT")
        if claims["uri"] != request.target:
            raise FireblocksError(401, errors.WRONG_URL, f"Wrong URL in the JWT: {claims['uri']}")
        if int(claims["exp"]) - int(claims["iat"]) >= self._max_token_s:
            raise FireblocksError(
                401, errors.TOKEN_NOT_ACCEPTED, f"exp must be less than iat + {self._max_token_s} s"
            )
        # An empty body is hashed as such: Fireblocks wants the claim on GET too.
        if claims["bodyHash"] != hashlib.sha256(request.body).hexdigest():
            raise FireblocksError(401, errors.TOKEN_NOT_ACCEPTED, "bodyHash is not that of the body")
        self._use_nonce(str(claims["nonce"]))

    def _use_nonce(self, nonce: str) -> None:
        now = time.time()
        with self._store.transaction():
            # An older token has expired, so its nonce need not be remembered.
            horizon = now - self._max_token_s - 4 * _LEEWAY_S
            self._store.execute("DELETE FROM nonces WHERE seen_at < ?", (horizon,))
            fresh = self._store.execute(
                "INSERT INTO nonces (nonce, seen_at) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING nonce",
                (nonce, now),
            )
        if not fresh:
            raise FireblocksError(401, errors.TOKEN_NOT_ACCEPTED, "The nonce was used before")
