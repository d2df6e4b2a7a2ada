"""RSA signing keys that live in a state file, and their JWKS."""

from __future__ import annotations

import base64
import hashlib
import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from devstack.sandbox_parts.store import Document, Store

_KEY_BITS = 2048


def base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _integer(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class SigningKeys:
    """A ring of key pairs: the newest signs, all are published."""

    def __init__(self, store: Store, name: str, algorithm: str) -> None:
        self._store = store
        self._name = f"signing_keys:{name}"
        self._algorithm = algorithm
        with store.transaction():
            if store.setting(self._name) is None:
                self.rotate()
        self._load()

    def rotate(self, *, keep_previous: bool = True) -> None:
        """Make a new signing key; previous ones stay published unless told otherwise."""
        pem = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with self._store.transaction():
            previous = json.loads(self._store.setting(self._name) or "[]") if keep_previous else []
            self._store.set_setting(self._name, json.dumps([*previous, pem.decode()]))
        self._load()

    def _load(self) -> None:
        pems = json.loads(self._store.setting(self._name) or "[]")
        self._keys = [self._private(pem) for pem in pems]

    @staticmethod
    def _private(pem: str) -> rsa.RSAPrivateKey:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("the stored key is not RSA")
        return key

    @property
    def current(self) -> rsa.RSAPrivateKey:
        """The key that signs."""
        return self._keys[-1]

    @property
    def kid(self) -> str:
        """The signing key's id."""
        return str(self._jwk(self.current)["kid"])

    @property
    def public_pem(self) -> str:
        """The signing key's public half as PEM."""
        return (
            self.current.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def jwks(self) -> Document:
        """The published keys (RFC 7517)."""
        return {"keys": [self._jwk(key) for key in self._keys]}

    def _jwk(self, key: rsa.RSAPrivateKey) -> Document:
        numbers = key.public_key().public_numbers()
        thumbprint = json.dumps(
            {"e": _integer(numbers.e), "kty": "RSA", "n": _integer(numbers.n)}, separators=(",", ":")
        )
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": self._algorithm,
            "kid": base64url(hashlib.sha256(thumbprint.encode()).digest()),  # RFC 7638
            "n": _integer(numbers.n),
            "e": _integer(numbers.e),
        }
