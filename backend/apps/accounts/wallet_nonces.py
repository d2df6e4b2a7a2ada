"""Nonces that need no row until they are used: random, dated, and marked by us for one member of one site.

That a nonce is good once is the unique key of ``accounts_walletproof``; here is only whether we gave it.
"""

from __future__ import annotations

import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.utils.crypto import salted_hmac

LIFE = timedelta(minutes=15)
_FORM = re.compile(r"([0-9a-f]{8})([0-9a-f]{32})([0-9a-f]{32})")
_SALT = "apps.accounts.wallet_nonces"


def nonce_make(*, site_id: UUID, member_id: UUID, now: datetime) -> str:
    """72 hexadecimal digits (EIP-4361 wants 8 letters or digits at least); good for 15 minutes."""
    body = f"{int((now + LIFE).timestamp()):08x}{secrets.token_hex(16)}"
    return body + _mark(body, site_id, member_id)


def nonce_expiry(*, nonce: str, site_id: UUID, member_id: UUID) -> datetime | None:
    """When it ends, or None for a nonce that we did not give to this member here."""
    found = _FORM.fullmatch(nonce)
    if found is None:
        return None
    ends, chance, mark = found.groups()
    if not hmac.compare_digest(mark, _mark(ends + chance, site_id, member_id)):
        return None
    return datetime.fromtimestamp(int(ends, 16), tz=UTC)


def _mark(body: str, site_id: UUID, member_id: UUID) -> str:
    return salted_hmac(_SALT, f"{body}|{site_id}|{member_id}", algorithm="sha256").hexdigest()[:32]
