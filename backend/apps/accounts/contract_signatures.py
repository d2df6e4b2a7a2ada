"""Signatures of contracts (EIP-1271): asked on chain by the room that knows chains, registered from above."""

from __future__ import annotations

from collections.abc import Callable

from apps.core.remote import refuse_inside_transaction

# (chain id, checksummed address, digest of 32 bytes, signature) -> whether the contract there says that it signed.
# Raises RemoteError when the chain does not answer, or is none that we know a node of.
ContractSignature = Callable[[int, str, bytes, bytes], bool]

_asked: list[ContractSignature] = []


class NobodyAsks(RuntimeError):
    """No room registered itself: a contract's signature could only be believed or refused blindly."""


def register(ask: ContractSignature) -> None:
    """Name the one that asks, from an AppConfig.ready(). Raises ValueError for a second, different one."""
    if _asked and _asked != [ask]:
        raise ValueError("contract signatures are asked for by one function, and it is registered already")
    _asked[:] = [ask]


def signed_by_contract(*, chain_id: int, address: str, digest: bytes, signature: bytes) -> bool:
    """Whether the contract at the address says that it signed. False without a contract there. Raises RemoteError."""
    refuse_inside_transaction()
    if not _asked:
        raise NobodyAsks("register a function that asks contracts before wallets are proved")
    return _asked[0](chain_id, address, digest, signature)
