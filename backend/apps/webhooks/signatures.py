"""Signatures of provider webhooks, checked on the raw bytes of the body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.core.jwks import JwksCache, JwksUnavailable, UnknownKid, shared_cache

MAX_HEADER_CHARS = 8 * 1024
FIREBLOCKS_V2_HEADER = "Fireblocks-Webhook-Signature"
FIREBLOCKS_V1_HEADER = "Fireblocks-Signature"


class BadSignature(Exception):
    """Not signed by the provider, or too long ago; `code` is stable. Answered with 400."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class UnreadableEvent(Exception):
    """Signed by the provider, but no event that we can read; `code` is stable. Answered with 400."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class KeysUnavailable(Exception):
    """The provider's keys cannot be fetched: answer 503, because a 4xx is never sent again."""

    code = "webhook_keys_unavailable"


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where Fireblocks' keys come from: a published set (webhooks v2), configured keys (v1), or both."""

    jwks: JwksCache | None = None
    v1_keys: tuple[RSAPublicKey, ...] = ()

    @classmethod
    def from_settings(cls) -> KeySource:
        """From FIREBLOCKS_JWKS_URL and FIREBLOCKS_WEBHOOK_PUBLIC_KEYS (PEMs)."""
        url = settings.FIREBLOCKS_JWKS_URL
        return cls(
            jwks=shared_cache(url) if url else None,
            v1_keys=_public_keys(_joined(settings.FIREBLOCKS_WEBHOOK_PUBLIC_KEYS)),
        )


def verify_stripe(
    raw: bytes, header: str, secrets: Sequence[str], tolerance_s: int = 300, now: float | None = None
) -> dict[str, Any]:
    """The event in `raw`, signed by the header `Stripe-Signature` with any of the secrets.

    `now` is in seconds since 1970 (default: the clock). Raises BadSignature, also for a time stamp further
    than `tolerance_s` in the past or the future, and UnreadableEvent.
    Source: Stripe's docs, "Verify webhook signatures manually": HMAC-SHA256 over "{t}.{raw}", scheme v1.
    """
    stamp, candidates = _stripe_header(header)
    signed = stamp.encode() + b"." + raw
    # An empty secret would accept what anybody can sign.
    expected = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets if secret]
    if not any([hmac.compare_digest(e, c) for e in expected for c in candidates]):  # noqa: C419 constant time
        raise BadSignature("signature_wrong")
    if abs((time.time() if now is None else now) - int(stamp)) > tolerance_s:
        raise BadSignature("signature_too_old_or_new")
    event = _json_object(raw)
    # Thin events of API v2 carry no object of v1; nothing here could act on them.
    if event.get("object") != "event":
        raise UnreadableEvent("event_not_v1")
    return _with_text(event, "id", "type")


def verify_fireblocks(raw: bytes, headers: Mapping[str, str], keys: KeySource) -> dict[str, Any]:
    """The event in `raw`, signed as webhooks v2 (detached JWS, RS512) or v1 (RSA-SHA512).

    When both signatures came and a key set is configured, v2 decides. Raises BadSignature, UnreadableEvent
    and KeysUnavailable.
    """
    found = {name.lower(): value for name, value in headers.items()}
    v2, v1 = found.get(FIREBLOCKS_V2_HEADER.lower()), found.get(FIREBLOCKS_V1_HEADER.lower())
    if v2 and keys.jwks is not None:
        _check_detached_jws(raw, v2, keys.jwks)
    elif v1 and keys.v1_keys:
        _check_rsa_sha512(raw, v1, keys.v1_keys)
    else:
        raise BadSignature("signature_missing")
    return _json_object(raw)


def _stripe_header(header: str) -> tuple[str, list[str]]:
    """Time stamp (ASCII digits) and all v1 signatures; several are sent while a secret is rotated."""
    if len(header) > MAX_HEADER_CHARS or not header.isascii():
        raise BadSignature("signature_malformed")
    pairs = [item.strip().partition("=")[::2] for item in header.split(",")]
    stamps = [value for name, value in pairs if name == "t"]
    candidates = [value for name, value in pairs if name == "v1"]
    if not candidates or len(stamps) != 1 or not stamps[0].isdigit() or len(stamps[0]) > 12:
        raise BadSignature("signature_malformed")
    return stamps[0], candidates


def _check_detached_jws(raw: bytes, signature: str, jwks: JwksCache) -> None:
    """RFC 7515, appendix F: header..signature, with base64url(raw) put back between the dots."""
    segments = signature.split(".")
    if len(signature) > MAX_HEADER_CHARS or not signature.isascii() or len(segments) != 3 or segments[1]:
        raise BadSignature("signature_malformed")
    payload = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    token = f"{segments[0]}.{payload}.{segments[2]}"
    try:
        key = jwks.key_for(_kid_of(segments[0]))
        jwt.api_jws.decode(token, key, algorithms=["RS512"])
    except JwksUnavailable:
        raise KeysUnavailable from None
    except UnknownKid:
        raise BadSignature("signature_key_unknown") from None
    except jwt.InvalidTokenError:
        raise BadSignature("signature_wrong") from None


def _kid_of(header_segment: str) -> str:
    try:
        # The payload is left out here: only a checked signature is worth decoding it for.
        header = jwt.get_unverified_header(f"{header_segment}..")
    except jwt.InvalidTokenError:
        raise BadSignature("signature_malformed") from None
    if header.get("alg") != "RS512":
        raise BadSignature("signature_algorithm_refused")
    # Each of these would take a key, or a rule, from the sender's hand (RFC 8725, section 3.10).
    if {"jku", "jwk", "x5u", "x5c", "crit", "b64"} & header.keys():
        raise BadSignature("signature_header_refused")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise BadSignature("signature_kid_missing")
    return kid


def _check_rsa_sha512(raw: bytes, signature: str, keys: Sequence[RSAPublicKey]) -> None:
    try:
        signature_bytes = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature("signature_malformed") from None
    for key in keys:
        try:
            key.verify(signature_bytes, raw, PKCS1v15(), SHA512())
        except InvalidSignature:
            continue  # the next key may be the one: two are configured during a rotation
        return
    raise BadSignature("signature_wrong")


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        event = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise UnreadableEvent("event_not_utf8") from None
    except (ValueError, RecursionError):
        raise UnreadableEvent("event_not_json") from None
    if not isinstance(event, dict):
        raise UnreadableEvent("event_not_an_object")
    return event


def _with_text(event: dict[str, Any], *names: str) -> dict[str, Any]:
    if not all(isinstance(event.get(name), str) and event[name] for name in names):
        raise UnreadableEvent("event_incomplete")
    return event


def _joined(pems: str | Sequence[str]) -> str:
    return pems if isinstance(pems, str) else "\n".join(pems)


@lru_cache(maxsize=4)
def _public_keys(pems: str) -> tuple[RSAPublicKey, ...]:
    r"""All PEM blocks of a text; a literal \n stands for a line end, as in environment variables."""
    end = "-----END PUBLIC KEY-----"
    blocks = [f"{block[block.index('-----BEGIN') :]}{end}" for block in _blocks(pems, end)]
    keys = []
    for block in blocks:
        key = load_pem_public_key(block.encode())
        if not isinstance(key, RSAPublicKey):
            raise ImproperlyConfigured("FIREBLOCKS_WEBHOOK_PUBLIC_KEYS must be RSA public keys")
        keys.append(key)
    return tuple(keys)


def _blocks(pems: str, end: str) -> list[str]:
    return [part for part in pems.replace("\\n", "\n").split(end)[:-1] if "-----BEGIN" in part]
