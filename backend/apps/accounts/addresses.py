"""Ethereum addresses in the checksummed form of EIP-55."""

from __future__ import annotations

import re

from Crypto.Hash import keccak

_HEX = re.compile(r"[0-9a-fA-F]{40}")
_ZERO = "0" * 40


class InvalidAddress(ValueError):
    """Not an address that tokens may be sent to; `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def checksum_address(text: str) -> str:
    """`text` ("0x" and 40 hex digits) with the capitals of EIP-55. Raises InvalidAddress.

    All lower case carries no checksum and is accepted. Anything with a capital must carry the right one, all
    capitals too: EIP-55 gives those no exemption, and a wrong capital is the only sign of a mistyped digit.
    The zero address is refused, because what is sent there is burnt.
    """
    if not text.startswith("0x") or len(text) != 42:
        raise InvalidAddress("address_length", "an address is 0x followed by 40 hexadecimal digits")
    digits = text[2:]
    if not _HEX.fullmatch(digits):
        raise InvalidAddress("address_not_hex", "an address has hexadecimal digits only after 0x")
    if digits == _ZERO:
        raise InvalidAddress("address_zero", "the zero address cannot receive tokens")
    checksummed = _with_capitals(digits.lower())
    if digits not in (digits.lower(), checksummed):
        raise InvalidAddress(
            "address_checksum", "the capitals of the address do not match its digits (EIP-55)"
        )
    return f"0x{checksummed}"


def _with_capitals(digits: str) -> str:
    """A letter is a capital where the same place of the keccak-256 of the lower-case text is 8 or more."""
    digest = keccak.new(digest_bits=256, data=digits.encode("ascii")).hexdigest()
    return "".join(d.upper() if int(h, 16) >= 8 else d for d, h in zip(digits, digest, strict=False))
