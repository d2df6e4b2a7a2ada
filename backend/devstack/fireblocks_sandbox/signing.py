"""Webhook signatures of Fireblocks (https://developers.fireblocks.com/reference/validating-webhooks)."""

from __future__ import annotations

import base64
import json

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA512

from devstack.sandbox_parts.keys import SigningKeys, base64url


def detached_jws(body: bytes, keys: SigningKeys, *, kid: str = "") -> str:
    """v2: `header..signature`, RS512 over base64url(header).base64url(body); ``kid`` names another key."""
    head = {"alg": "RS512", "kid": kid or keys.kid}
    header = base64url(json.dumps(head, separators=(",", ":")).encode())
    signed = f"{header}.{base64url(body)}".encode()
    return f"{header}..{base64url(keys.current.sign(signed, padding.PKCS1v15(), SHA512()))}"


def legacy_signature(body: bytes, keys: SigningKeys) -> str:
    """v1: base64 of RSA-SHA512 over the raw body."""
    return base64.b64encode(keys.current.sign(body, padding.PKCS1v15(), SHA512())).decode()
