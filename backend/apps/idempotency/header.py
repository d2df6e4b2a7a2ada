"""What the Idempotency-Key header of a request claims (IETF draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from django.utils.translation import gettext as _
from rest_framework.request import Request

from apps.core.problems import Problem

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


@dataclass(frozen=True)
class IdempotencyRequest:
    """A key bound to who sends it, for which operation, with which body."""

    caller: str
    operation: str
    key: str
    body_sha256: str


def idempotency_request(request: Request, operation: str) -> IdempotencyRequest:
    """Read the key of an authenticated request. ``operation`` is method and route with its ids filled in.

    Call it before ``request.data`` is read: the hash is of the raw body. Raises Problem 400.
    """
    key = request.headers.get(HEADER)
    if not key:
        raise Problem(
            "idempotency_key_missing",
            400,
            _("Send an Idempotency-Key header: a new random one for each intent."),
        )
    # The draft has a structured-field string, in quotes; most clients send the bare value.
    bare = key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key
    if not _KEY.fullmatch(bare):
        raise Problem(
            "idempotency_key_invalid", 400, _("An Idempotency-Key has 1 to 255 printable ASCII characters.")
        )
    digest = hashlib.sha256(request._request.body).hexdigest()
    return IdempotencyRequest(str(request.user.pk), operation, bare, digest)
