"""Signatures of accounts: who signed a text (EIP-191, version 0x45 "personal_sign").

libsecp256k1 (coincurve) and keccak do it in some 0.1 ms; eth-account, which would load 34 MiB into every web process,
is what the tests compare with.
"""

from __future__ import annotations

import re

import coincurve
from Crypto.Hash import keccak

from apps.accounts.addresses import checksum_address

# A contract's signature may be the signatures of many owners, one after another.
SIGNATURE_MOST_BYTES = 4096
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})+")
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_RECOVERY_IDS = {0: 0, 1: 1, 27: 0, 28: 1}  # 0 and 1 are what some hardware wallets write


def signature_bytes(text: str) -> bytes:
    """The bytes of "0x" and hexadecimal digits. Raises ValueError."""
    if not _HEX.fullmatch(text) or len(text) > 2 + 2 * SIGNATURE_MOST_BYTES:
        raise ValueError(f"a signature is 0x and 1 to {SIGNATURE_MOST_BYTES} bytes in hexadecimal digits")
    return bytes.fromhex(text[2:])


def personal_digest(text: str) -> bytes:
    """The 32 bytes that a wallet signs for this text; their length is counted in bytes (EIP-191)."""
    body = text.encode()
    return _keccak(b"\x19Ethereum Signed Message:\n%d" % len(body) + body)


def signer_of(digest: bytes, signature: bytes) -> str | None:
    """The checksummed address of the account that signed, or None when these 65 bytes are no signature.

    The upper half of s is refused (EIP-2): it would be a second signature that nobody made.
    """
    if len(signature) != 65 or signature[64] not in _RECOVERY_IDS:
        return None
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        return None
    compact = signature[:64] + bytes([_RECOVERY_IDS[signature[64]]])
    try:
        key = coincurve.PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except Exception:
        # Safe: the library raises bare Exception, and whatever it cannot recover was signed by nobody.
        return None
    return checksum_address(f"0x{_keccak(key.format(compressed=False)[1:])[-20:].hex()}")


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()
