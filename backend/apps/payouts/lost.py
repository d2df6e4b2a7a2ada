"""Transfers that left and that no row knows: those of a database that was restored from before them.

While there is one nothing is sent. A payout that may be the same one made anew is held, for people to settle with
the transfer's hash as evidence: what was paid is then booked, and never paid again.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from apps.core.remote import RemoteError
from apps.payouts.custody.base import TransferPhase, TransferTruth
from apps.payouts.custody.choice import fireblocks_in_use
from apps.payouts.custody.evm import chain
from apps.payouts.evm_models import HotWallet
from apps.payouts.external_ids import external_id_parse
from apps.payouts.fence import fence_explained, fence_read
from apps.payouts.leases import lease_unsent
from apps.payouts.models import Payout, PayoutAttempt, PayoutStatus
from apps.payouts.settlement import Verdict, write
from apps.sites.models import Asset, CustodyProvider, Site
from apps.sites.scope import bind_site, site_scope

logger = logging.getLogger("posx.payouts")

HOLD_CODE = "sent_before_restore"
# A send is counted, and then may take its time; the provider's clock is not ours.
EARLIER = timedelta(hours=1)
PAGES_MOST = 20


class TooManyPages(RemoteError):
    """More than a round reads: ``manage.py after_restore`` reads all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostTransfer:
    """One transfer, or the nonces of one wallet, that no row knows. An empty ``to_address``: to whom is not known."""

    transfer_id: str
    site_id: UUID
    custody_asset_id: str
    to_address: str
    amount_base_units: int | None
    tx_hash: str
    status: str


def lost_round(closed_from: datetime, *, pages_most: int | None = PAGES_MOST) -> bool:
    """ENTRY: read what left since then, hold what may be paid already; whether sending may go on.

    A provider that does not answer keeps the fence closed, and everything else goes on.
    """
    try:
        lost = lost_transfers(closed_from, pages_most=pages_most)
    except RemoteError as failure:
        logger.warning("payouts: nothing is sent until what left before is read: %s", failure)
        return False
    for one in lost:
        logger.error("payouts: no row knows the transfer %s to %s", one.transfer_id, one.to_address)
    hold_alike(lost)
    return fence_read(closed_from, len(lost))


def lost_transfers(since: datetime, *, pages_most: int | None = None) -> list[LostTransfer]:
    """ENTRY: what left since then, by each provider's own word, and neither a row nor a person accounts for it.

    Raises RemoteError when a provider does not answer: then nothing is known.
    """
    assets: dict[UUID, list[Asset]] = {}
    wallets: dict[UUID, list[HotWallet]] = {}
    for site_id in Site.objects.order_by("id").values_list("id", flat=True):
        with bind_site(site_id), site_scope():
            assets[site_id] = list(Asset.objects.filter(site_id=site_id))
            wallets[site_id] = list(HotWallet.objects.filter(site_id=site_id))
    found: list[LostTransfer] = []
    if any(one.custody_provider == CustodyProvider.FIREBLOCKS for ones in assets.values() for one in ones):
        found += _lost_at_fireblocks(since - EARLIER, assets, pages_most)
    for site_id, ones in wallets.items():
        found += _lost_nonces(site_id, ones, assets[site_id])
    explained = fence_explained()
    return [one for one in found if one.transfer_id not in explained]


def hold_alike(lost: Iterable[LostTransfer]) -> int:
    """ENTRY: hold what is not sent yet and goes where a lost transfer of its site went; how many."""
    addresses: dict[UUID, set[str]] = defaultdict(set)
    for one in lost:
        addresses[one.site_id].add(one.to_address.lower())
    held = 0
    for site_id, gone_to in addresses.items():
        with bind_site(site_id):
            for payout_id in _unsent(gone_to):
                leased = lease_unsent(payout_id)
                if leased is not None:
                    held += write(leased, Verdict(PayoutStatus.HELD, HOLD_CODE), wait_s=None) == "held"
    return held


def _unsent(gone_to: Collection[str]) -> list[UUID]:
    """Of the bound site. Payouts of any address when it is not known where a transfer went."""
    with site_scope() as site_id:
        rows = Payout.objects.filter(
            site_id=site_id, status__in=[PayoutStatus.READY, PayoutStatus.SUBMITTING]
        )
        begun = PayoutAttempt.objects.filter(site_id=site_id, sends__gt=0).values("payout_id")
        unsent = rows.exclude(id__in=begun).values_list("id", "to_address")
        return [one for one, address in unsent if "" in gone_to or address.lower() in gone_to]


def _lost_at_fireblocks(
    since: datetime, assets: dict[UUID, list[Asset]], pages_most: int | None
) -> list[LostTransfer]:
    until = datetime.now(tz=UTC) + timedelta(days=1)
    found: list[LostTransfer] = []
    pages = fireblocks_in_use().list_transfers(created_from=since, created_before=until)
    for number, page in enumerate(pages):
        if pages_most is not None and number >= pages_most:
            raise TooManyPages("too_many_transfers", "run manage.py after_restore")
        named: dict[UUID, list[TransferTruth]] = defaultdict(list)
        for one in page:
            ours = external_id_parse(one.external_id)
            if ours is not None and ours.site_id in assets:
                decimals = {a.custody_asset_id: a.decimals for a in assets[ours.site_id]}
                named[ours.site_id].append(one.truth(decimals.get(one.asset_id, 0)))
        for site_id, truths in named.items():
            found += _lost_of(site_id, truths)
    return found


def _lost_of(site_id: UUID, truths: list[TransferTruth]) -> list[LostTransfer]:
    moving = {
        str(one.external_id): one for one in truths if one.phase is not TransferPhase.FAILED_NOTHING_MOVED
    }
    with bind_site(site_id), site_scope():
        attempts = PayoutAttempt.objects.filter(site_id=site_id, external_id__in=list(moving))
        known = set(attempts.values_list("external_id", flat=True))
        hashes = [one.tx_hash for one in moving.values() if one.tx_hash]
        # Settled by people with this transfer as their evidence.
        settled = set(
            Payout.objects.filter(site_id=site_id, tx_hash__in=hashes).values_list("tx_hash", flat=True)
        )
    return [
        LostTransfer(
            transfer_id=key,
            site_id=site_id,
            custody_asset_id=one.asset_id or "",
            to_address=one.to_address or "",
            amount_base_units=one.amount_base_units,
            tx_hash=one.tx_hash or "",
            status=one.raw_status,
        )
        for key, one in moving.items()
        if key not in known and (one.tx_hash or "") not in settled
    ]


def _lost_nonces(site_id: UUID, wallets: list[HotWallet], assets: list[Asset]) -> list[LostTransfer]:
    """Nonces that the chain has seen of a wallet, waiting ones included, and that no row took."""
    found = []
    for wallet in wallets:
        used = chain.nonce_used(chain.node_of(wallet.chain_id), wallet.address)
        if used > wallet.next_nonce:
            of_it = [one.custody_asset_id for one in assets if one.custody_vault_id == wallet.address]
            found.append(
                LostTransfer(
                    transfer_id=f"evm-{wallet.chain_id}-{wallet.address}-{used - 1}",
                    site_id=site_id,
                    custody_asset_id=", ".join(of_it),
                    to_address="",
                    amount_base_units=None,
                    tx_hash="",
                    status=f"nonces {wallet.next_nonce} to {used - 1}",
                )
            )
    return found
