"""Which custody provider this installation pays through: the one place that decides it."""

from __future__ import annotations

from apps.payouts.custody.base import Custody
from apps.payouts.custody.fireblocks import FireblocksCustody


def custody_in_use() -> Custody:
    """The configured provider's client. Raises ValueError when its key cannot be used."""
    return FireblocksCustody.from_settings()
