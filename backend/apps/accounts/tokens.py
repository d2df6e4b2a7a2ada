"""Access tokens (JWT, RS256) of the configured issuer; nothing here knows users."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
from django.conf import settings
from jwt.exceptions import InvalidSubjectError

from apps.core.jwks import JwksUnavailable, UnknownKid, shared_cache

LEEWAY_S = 30
MAX_TOKEN_CHARS = 8 * 1024
MAX_KID_CHARS = 200
MAX_SUBJECT_CHARS = 255
REQUIRED_CLAIMS = ["iss", "aud", "exp", "iat", "sub"]
# Each of these asks the verifier to take a key, or a rule, from the sender's hand (RFC 8725, section 3.10).
REFUSED_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64"})

_CODES: list[tuple[type[jwt.InvalidTokenError], str]] = [
    (jwt.ExpiredSignatureError, "token_expired"),
    (jwt.ImmatureSignatureError, "token_not_yet_valid"),
    (jwt.MissingRequiredClaimError, "token_claim_missing"),
    (jwt.InvalidIssuerError, "token_issuer_wrong"),
    (jwt.InvalidAudienceError, "token_audience_wrong"),
    (jwt.InvalidAlgorithmError, "token_algorithm_refused"),
    (InvalidSubjectError, "token_subject_invalid"),
    (jwt.InvalidSignatureError, "token_signature_wrong"),
]


class TokenInvalid(Exception):
    """The token proves nothing; `code` is stable and says why. Answered with 401."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class KeysUnavailable(Exception):
    """The issuer's keys cannot be fetched, so the token is neither good nor bad. Answered with 503."""

    code = "token_keys_unavailable"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `scope` is the raw space-separated claim, empty when absent."""

    subject: str
    expires_at: datetime
    scope: str = field(default="")


def verify_access_token(token: str) -> Claims:
    """The claims of a token of AUTH0_ISSUER for AUTH0_AUDIENCE. Raises TokenInvalid or KeysUnavailable."""
    if len(token) > MAX_TOKEN_CHARS:
        raise TokenInvalid("token_too_long")
    if not token.isascii():
        raise TokenInvalid("token_malformed")
    kid = _acceptable_kid(token)
    try:
        key = shared_cache(settings.AUTH0_JWKS_URL).key_for(kid)
    except UnknownKid:
        raise TokenInvalid("token_key_unknown") from None
    except JwksUnavailable:
        raise KeysUnavailable from None
    try:
        payload = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=_configured("AUTH0_ISSUER"),
            audience=_configured("AUTH0_AUDIENCE"),
            leeway=LEEWAY_S,
            options={"require": REQUIRED_CLAIMS},
        )
    except jwt.InvalidTokenError as error:
        raise TokenInvalid(_code_of(error)) from None
    return Claims(_subject(payload), _expiry(payload), _scope(payload))


def _acceptable_kid(token: str) -> str:
    """The key id of a header that is RS256 and brings no key of its own."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise TokenInvalid("token_malformed") from None
    if header.get("alg") != "RS256":
        raise TokenInvalid("token_algorithm_refused")
    if REFUSED_HEADERS & header.keys():
        raise TokenInvalid("token_header_refused")
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_CHARS:
        raise TokenInvalid("token_kid_missing")
    return kid


def _configured(name: str) -> str:
    value = getattr(settings, name)
    # PyJWT skips the check of a claim whose expected value is None.
    if not isinstance(value, str) or not value:
        raise RuntimeError(f"{name} is not configured")
    return value


def _code_of(error: jwt.InvalidTokenError) -> str:
    return next((code for kind, code in _CODES if isinstance(error, kind)), "token_malformed")


def _subject(payload: dict[str, Any]) -> str:
    subject = payload["sub"]
    # It becomes a key in the database and a word in the logs: no control characters, no endless text.
    if not subject.isprintable() or not 0 < len(subject.strip()) <= len(subject) <= MAX_SUBJECT_CHARS:
        raise TokenInvalid("token_subject_invalid")
    return str(subject)


def _expiry(payload: dict[str, Any]) -> datetime:
    try:
        return datetime.fromtimestamp(int(payload["exp"]), UTC)
    except (ValueError, OverflowError, OSError):
        raise TokenInvalid("token_malformed") from None


def _scope(payload: dict[str, Any]) -> str:
    scope = payload.get("scope", "")
    return scope if isinstance(scope, str) else ""
