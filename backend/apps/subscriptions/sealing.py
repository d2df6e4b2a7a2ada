"""Secrets of receivers in the database, encrypted by a key that is derived from SECRET_KEY.

A copy of the database alone can then forge no message. SECRET_KEY_FALLBACKS open what an older key sealed.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_INFO = b"posx subscriptions: secrets of receivers"


class Unreadable(Exception):
    """No key in force opens it: SECRET_KEY was changed without keeping the old one in SECRET_KEY_FALLBACKS."""


def seal(secret: str) -> str:
    """The secret, encrypted by the current key."""
    return _keys()[0].encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """The secret. Raises Unreadable."""
    try:
        return MultiFernet(_keys()).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable from None


def is_sealed_by_the_current_key(sealed: str) -> bool:
    """False for what has to be sealed again before the old key may go."""
    try:
        _keys()[0].decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def _keys() -> list[Fernet]:
    return [_key(each) for each in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def _key(secret_key: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
