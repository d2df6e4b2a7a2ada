"""A buyer's wallet as a browser extension is one: a key, its address, and signatures of messages (EIP-191)."""

from __future__ import annotations

import secrets

import coincurve
from Crypto.Hash import keccak


class WalletKey:
    """A fresh key; `address` has no checksum in it, as many wallets hand it out."""

    def __init__(self) -> None:
        self.secret = secrets.token_bytes(32)
        self._key = coincurve.PrivateKey(self.secret)
        point = self._key.public_key.format(compressed=False)[1:]
        self.address = f"0x{_keccak(point)[-20:].hex()}"

    def sign(self, message: str) -> str:
        """What `personal_sign` answers: 65 bytes as 0x and hexadecimal digits."""
        body = message.encode()
        digest = _keccak(b"\x19Ethereum Signed Message:\n%d" % len(body) + body)
        raw = self._key.sign_recoverable(digest, hasher=None)
        return f"0x{raw[:64].hex()}{raw[64] + 27:02x}"


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()
