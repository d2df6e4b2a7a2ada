"""Signed deliveries to our webhook endpoints, as the providers make them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA512
from rest_framework.test import APIClient

from tests.http_peers import private_pem, rsa_key

STRIPE = "/api/v1/webhooks/stripe/"
FIREBLOCKS = "/api/v1/webhooks/fireblocks/"
STRIPE_SECRET = "whsec_test_current"
KEY_ID = "wh-1"
FIREBLOCKS_KEY = rsa_key("fireblocks-webhooks")


def stripe_event(subject: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A payment_intent.succeeded event about pi_1, with changes."""
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "data": {"object": {"id": "pi_1", "object": "payment_intent"} if subject is None else subject},
    }
    return event | changes


def fireblocks_event(**changes: Any) -> dict[str, Any]:
    """A transaction.status.updated event (webhooks v2) about tx-1, with changes."""
    event = {
        "id": "fb-evt-1",
        "eventType": "transaction.status.updated",
        "resourceId": "tx-1",
        "data": {"id": "tx-1", "status": "COMPLETED"},
    }
    return event | changes


def post_stripe(event: dict[str, Any] | bytes, *, secret: str = STRIPE_SECRET, **headers: str) -> Any:
    """Deliver an event with Stripe's signature of now."""
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    stamp = int(time.time())
    v1 = hmac.new(secret.encode(), f"{stamp}.".encode() + raw, hashlib.sha256).hexdigest()
    return post(STRIPE, raw, HTTP_STRIPE_SIGNATURE=f"t={stamp},v1={v1}", **headers)


def post_fireblocks(
    event: dict[str, Any] | bytes, *, key: RSAPrivateKey = FIREBLOCKS_KEY, kid: str = KEY_ID
) -> Any:
    """Deliver an event with a detached JWS, as webhooks v2 do."""
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    whole = jwt.api_jws.encode(raw, private_pem(key), algorithm="RS512", headers={"kid": kid})
    head, _, signature = whole.split(".")
    return post(FIREBLOCKS, raw, HTTP_FIREBLOCKS_WEBHOOK_SIGNATURE=f"{head}..{signature}")


def post_fireblocks_v1(event: dict[str, Any], *, key: RSAPrivateKey = FIREBLOCKS_KEY) -> Any:
    """Deliver an event with the signature of webhooks v1."""
    raw = json.dumps(event).encode()
    signature = base64.b64encode(key.sign(raw, PKCS1v15(), SHA512())).decode()
    return post(FIREBLOCKS, raw, HTTP_FIREBLOCKS_SIGNATURE=signature)


def post(path: str, raw: bytes, **headers: str) -> Any:
    """Deliver bytes; nobody names a site or a user."""
    return APIClient().generic("POST", path, raw, content_type="application/json", **headers)  # type: ignore[arg-type]
