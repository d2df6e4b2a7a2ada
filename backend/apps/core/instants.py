"""Instants as documents write them."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_text(at: datetime) -> str:
    """An aware instant in UTC with its microseconds and a Z: one instant has one text."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
