"""Whole base units to a provider's decimal text and back, exactly; no Decimal context, no float."""

from __future__ import annotations

import re

# An exponent appears where a provider writes a small amount as a JSON number: 1e-7.
_NUMBER = re.compile(r"([0-9]{1,120})(?:\.([0-9]{0,120}))?(?:[eE]([+-]?[0-9]{1,3}))?")


def to_provider_amount(base_units: int, decimals: int) -> str:
    """1500000000000000000 base units of 18 decimals are "1.5". Raises ValueError below zero."""
    if base_units < 0 or decimals < 0:
        raise ValueError("amounts and decimals are not negative")
    if decimals == 0:
        return str(base_units)
    whole, fraction = divmod(base_units, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}".rstrip("0").rstrip(".")


def from_provider_amount(text: str, decimals: int) -> int:
    """The base units of a provider's decimal text. ValueError when it is no whole number of them."""
    match = _NUMBER.fullmatch(text)
    if match is None or decimals < 0:
        raise ValueError("not a plain decimal number")
    fraction = match[2] or ""
    shift = decimals - len(fraction) + int(match[3] or 0)
    digits = int(match[1] + fraction)
    if shift >= 0:
        return digits * int(10**shift)
    base_units, lost = divmod(digits, int(10**-shift))
    if lost:
        raise ValueError("finer than one base unit")
    return base_units
