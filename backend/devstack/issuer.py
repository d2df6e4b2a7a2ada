"""A local issuer of access tokens: stands where Auth0 stands, so that one code path checks both."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import jwt

from devstack.http_messages import Request, Response, json_response
from devstack.http_server import HttpServer, Router
from devstack.sandbox_parts.keys import SigningKeys
from devstack.sandbox_parts.store import Store

DEFAULT_SCOPE = "openid profile"
_MAX_TTL_S = 366 * 24 * 3600


class LocalIssuer:
    """Issues RS256 access tokens. `issuer` is the iss claim (with Auth0's trailing slash); None means its own address.

    mint() works before start() too, when `issuer` is given.
    """

    def __init__(self, state_path: Path | str, port: int, issuer: str | None, audience: str) -> None:
        self._store = Store(state_path)
        self._keys = SigningKeys(self._store, "access_tokens", "RS256")
        self._issuer = issuer
        self._audience = audience
        self._router = Router()
        self._router.add("GET", "/.well-known/jwks.json", lambda _: json_response(200, self._keys.jwks()))
        self._router.add("GET", "/.well-known/openid-configuration", self._configuration)
        self._router.add("POST", "/_sandbox/token", self._token)
        self._router.add("POST", "/_sandbox/rotate_key", self._rotate)
        self._server = HttpServer(port, self._handle)

    @property
    def base_url(self) -> str:
        """Address without a trailing slash."""
        return self._server.base_url

    @property
    def issuer(self) -> str:
        """The iss claim."""
        return self._issuer or f"{self.base_url}/"

    def start(self) -> None:
        """Serve; OSError when the port is taken."""
        self._server.start()

    def stop(self) -> None:
        """Stop serving and close the state file."""
        self._server.stop()
        self._store.close()

    def mint(self, subject: str, *, ttl_s: int = 3600, **claims: Any) -> str:
        """An access token for `subject`; `claims` are added to, or replace, the usual ones."""
        now = int(time.time())
        usual = {
            "iss": self.issuer,
            "aud": self._audience,
            "sub": subject,
            "iat": now,
            "exp": now + ttl_s,
            "scope": DEFAULT_SCOPE,
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode(
            {**usual, **claims}, self._keys.current, algorithm="RS256", headers={"kid": self._keys.kid}
        )

    def rotate_key(self, *, keep_previous: bool = True) -> str:
        """Sign with a new key from now on and return its kid; without keep_previous, older tokens die."""
        self._keys.rotate(keep_previous=keep_previous)
        return self._keys.kid

    def _handle(self, request: Request) -> Response:
        found = self._router.match(request)
        if found is None:
            return json_response(404, {"message": "not found"})
        route, request = found
        return route.handler(request)

    def _configuration(self, _request: Request) -> Response:
        return json_response(
            200,
            {
                "issuer": self.issuer,
                "jwks_uri": f"{self.base_url}/.well-known/jwks.json",
                "token_endpoint": f"{self.base_url}/_sandbox/token",
                "id_token_signing_alg_values_supported": ["RS256"],
            },
        )

    def _token(self, request: Request) -> Response:
        body = request.json_object()
        subject, ttl_s, claims = body.get("subject"), body.get("ttl_s", 3600), body.get("claims", {})
        if not isinstance(subject, str) or not subject:
            return json_response(400, {"message": "subject must be a text"})
        if not isinstance(ttl_s, int) or abs(ttl_s) > _MAX_TTL_S or not isinstance(claims, dict):
            return json_response(400, {"message": "ttl_s must be seconds, claims an object"})
        token = self.mint(subject, ttl_s=ttl_s, **{k: v for k, v in claims.items() if k != "subject"})
        return json_response(
            200, {"access_token": token, "token_type": "Bearer", "expires_in": ttl_s, "scope": DEFAULT_SCOPE}
        )

    def _rotate(self, request: Request) -> Response:
        keep = request.json_object().get("keep_previous", True)
        return json_response(200, {"kid": self.rotate_key(keep_previous=bool(keep))})
