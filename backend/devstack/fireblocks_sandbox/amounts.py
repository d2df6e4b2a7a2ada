"""Exact decimal strings: asset units outside, integer base units inside; no float and no Decimal context."""

from __future__ import annotations

import re

_DECIMAL = re.compile(r"([0-9]{1,60})(?:\.([0-9]{1,60}))?")


def to_base_units(text: str, decimals: int) -> int:
    """Base units of a decimal string such as "1.5"; ValueError when malformed or finer than the asset."""
    found = _DECIMAL.fullmatch(text)
    if not found:
        raise ValueError(f"not a decimal string: {text}")
    fraction = (found[2] or "").rstrip("0")
    if len(fraction) > decimals:
        raise ValueError(f"more than {decimals} decimals: {text}")
    return int(found[1] + fraction.ljust(decimals, "0"))


def to_units(amount_base_units: int, decimals: int) -> str:
    """The decimal string of an amount, without trailing zeros."""
    sign = "-" if amount_base_units < 0 else ""
    whole, fraction = divmod(abs(amount_base_units), 10**decimals)
    tail = str(fraction).zfill(decimals).rstrip("0") if fraction else ""
    return f"{sign}{whole}.{tail}" if tail else f"{sign}{whole}"
