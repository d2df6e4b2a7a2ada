"""What a custody provider must do for payouts, in our words; each provider is a module beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from apps.core.remote import RemoteError, RemoteUnknown


class AlreadySubmitted(RemoteError):
    """The provider has a transfer under this external id already: look it up, never send under a new one."""


class CustodyUnknown(RemoteUnknown):
    """No believable answer: the transfer may exist."""


class CustodyCredentialsRefused(RemoteError):
    """The provider refused our key: nothing was accepted, and a payout is not to blame for it.

    Transient, because the same call succeeds once the configuration is mended.
    """


class TransferPhase(StrEnum):
    """What a transfer's state means to us. Only the middle two are final without a person."""

    IN_FLIGHT = "in_flight"
    COMPLETED = "completed"
    FAILED_NOTHING_MOVED = "failed_nothing_moved"
    NEEDS_PERSON = "needs_person"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRequest:
    """One transfer to send: `amount_base_units` of the provider's asset, which has `decimals`.

    A worker that stood still between counting a send and making it may wake when its tokens are on their way again
    under another id: what has not left by `leave_by_s` (Unix time) is not sent.
    """

    external_id: str
    asset_id: str
    decimals: int
    vault_account_id: str
    to_address: str
    amount_base_units: int
    note: str = ""
    leave_by_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferTruth:
    """What the provider says about a transfer now.

    Before a payout is settled the caller compares asset, amount and address with what it sent. Each is None
    when the provider did not tell it, or told an amount that is no whole number of base units.
    """

    provider_transfer_id: str
    external_id: str | None
    phase: TransferPhase
    raw_status: str
    sub_status: str
    tx_hash: str | None
    asset_id: str | None
    amount_base_units: int | None
    to_address: str | None


class Custody(Protocol):
    """Calls of a custody provider. All refuse to run while a database transaction is open."""

    def require_asset(self, request: TransferRequest) -> None:
        """Before a send is counted: the asset's decimals are the provider's, asked once and pinned.

        RemoteRejected: they are not, or there is no such asset, and any amount would be another number of tokens.
        Otherwise errors as in find_by_external_id. Works in the bound site.
        """
        ...

    def submit(self, request: TransferRequest) -> str:
        """Send once; the provider's transfer id.

        RemoteRejected: this call moved nothing. After an earlier unknown outcome, look the external id up
        before believing that. AlreadySubmitted: look it up. CustodyUnknown: it may have been accepted.
        CustodyCredentialsRefused: nothing was accepted.
        """
        ...

    def find_by_external_id(self, external_id: str, *, decimals: int) -> TransferTruth | None:
        """The transfer sent under our id, None when the provider has none (a call still on its way counts
        as none). Raises CustodyUnknown and CustodyCredentialsRefused; a look-up is never rejected for good.
        """
        ...

    def get(self, provider_transfer_id: str, *, decimals: int) -> TransferTruth | None:
        """The transfer by the provider's id; None and errors as in find_by_external_id."""
        ...
