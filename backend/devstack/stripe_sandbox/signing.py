"""Stripe-Signature (https://docs.stripe.com/webhooks#verify-manually)."""

from __future__ import annotations

import hashlib
import hmac
import time


def signature_header(body: bytes, secret: str, *, timestamp_s: int | None = None) -> str:
    """`t=..,v1=..` where v1 is the HMAC-SHA256 hex of "t.body"; a fresh timestamp for each attempt."""
    stamp = int(time.time()) if timestamp_s is None else timestamp_s
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"
