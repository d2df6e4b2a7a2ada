"""The custody providers of this installation: an asset names its own, and each attempt keeps it."""

from __future__ import annotations

from collections.abc import Mapping

from apps.payouts.custody.base import Custody
from apps.payouts.custody.evm.custody import EvmCustody
from apps.payouts.custody.fireblocks import FireblocksCustody
from apps.payouts.custody.pace import SharedPace
from apps.sites.models import CustodyProvider


def custody_in_use(provider: str = CustodyProvider.FIREBLOCKS) -> Custody:
    """The client of a provider; without a word that of the one whose events arrive by webhook.

    Raises ValueError when its key cannot be used. The hot wallets' keys are looked at when one has to sign.
    """
    return (
        EvmCustody()
        if CustodyProvider(provider) is CustodyProvider.EVM
        else FireblocksCustody.from_settings()
    )


def custodies_in_use() -> Mapping[str, Custody]:
    """Every provider's client by its word. Raises ValueError as custody_in_use."""
    return {provider.value: custody_in_use(provider) for provider in CustodyProvider}


def fireblocks_in_use() -> FireblocksCustody:
    """The client that can list. Raises ValueError when its key cannot be used."""
    return FireblocksCustody.from_settings()


def providers_closed(*, calls: int) -> list[str]:
    """Providers that may not be called so often now: their minute is used up, or they asked for a pause."""
    fireblocks = SharedPace(CustodyProvider.FIREBLOCKS.value)
    return [fireblocks.provider] if fireblocks.wait_s(calls) > 0 else []
