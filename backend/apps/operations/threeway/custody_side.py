"""Fireblocks against our payouts, by spans of time of its list; and each payout that our rows call paid."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from apps.operations.threeway import booked
from apps.operations.threeway.booked import SentAs, TooMuch
from apps.operations.threeway.chain_side import told_on_chain
from apps.operations.threeway.compare import Subject, ToldTransfer, compare_transfer
from apps.operations.threeway.record import Looked, findings_write
from apps.payouts.custody.base import TransferPhase, TransferTruth
from apps.payouts.custody.choice import fireblocks_in_use
from apps.payouts.custody.fireblocks_listing import ListedTransfer
from apps.payouts.external_ids import external_id_parse
from apps.sites.models import Asset, CustodyProvider, Site
from apps.sites.scope import bind_site, site_scope

SOURCE = "custody"
PAGES_MOST = 10
ROWS_MOST = 200
# A transfer is made well before it is final and our row says so.
EARLIER = timedelta(hours=1)


@dataclass
class Told:
    """What was said of transfers, by key; None: asked for by its id, and there is none."""

    transfers: dict[str, ToldTransfer | None] = field(default_factory=dict)


def custody_look(since: datetime, until: datetime, *, bounded: bool = True) -> Looked:
    """ENTRY: compare what left in a span of time, on either side, of every site. Raises TooMuch, RemoteError."""
    assets: dict[UUID, list[Asset]] = {}
    for site_id in Site.objects.order_by("id").values_list("id", flat=True):
        with bind_site(site_id), site_scope():
            assets[site_id] = booked.assets()
    uses_fireblocks = any(_is_fireblocks(one) for ones in assets.values() for one in ones)
    listed = _listed(since - EARLIER, until, bounded) if uses_fireblocks else []
    looked = Looked()
    for site_id, of_site in assets.items():
        with bind_site(site_id):
            with site_scope():
                sent = booked.sent_between(since, until, ROWS_MOST if bounded else None)
            told = _of_site(site_id, of_site, listed, set(assets))
            looked += compare_with_custody(told, set(told.transfers) | set(sent), sent)
    return looked


def compare_with_custody(told: Told, keys: Collection[str], sent: Mapping[str, SentAs]) -> Looked:
    """ENTRY: compare these of the bound site; what ``told`` does not hold is asked for one by one."""
    for key in keys:
        if key not in told.transfers:
            told.transfers[key] = _asked(key, sent.get(key))
    if not keys:
        return Looked()
    with site_scope():
        # Rows are read after the provider was asked: what was booked meanwhile is no difference.
        rows = booked.transfers(keys)
        found = {key: list(compare_transfer(told.transfers[key], rows.get(key))) for key in keys}
        return findings_write(source=SOURCE, subject=Subject.TRANSFER, found=found)


def _listed(since: datetime, until: datetime, bounded: bool) -> list[ListedTransfer]:
    listed: list[ListedTransfer] = []
    for number, page in enumerate(
        fireblocks_in_use().list_transfers(created_from=since, created_before=until)
    ):
        if bounded and number >= PAGES_MOST:
            raise TooMuch
        listed += page
    return listed


def _of_site(
    site_id: UUID, assets: Collection[Asset], listed: Collection[ListedTransfer], sites: Collection[UUID]
) -> Told:
    """What is this site's: what its external id says, else what left one of the site's vault accounts."""
    decimals = {one.custody_asset_id: one.decimals for one in assets if _is_fireblocks(one)}
    vaults = {(one.custody_asset_id, one.custody_vault_id) for one in assets if _is_fireblocks(one)}
    told = Told()
    for one in listed:
        named = external_id_parse(one.external_id)
        if named is not None and named.site_id in sites:
            is_ours, key = named.site_id == site_id, one.external_id
        else:
            is_ours, key = (one.asset_id, one.vault_id) in vaults, one.provider_transfer_id
        if is_ours:
            # Of an asset that the site has not: any amount then differs from what a payout says.
            told.transfers[key] = _told(one.truth(decimals.get(one.asset_id, 0)))
    return told


def _asked(key: str, sent: SentAs | None) -> ToldTransfer | None:
    if sent is not None and sent.provider == CustodyProvider.EVM:
        return told_on_chain(sent.place, sent.hashes)
    custody, decimals = fireblocks_in_use(), sent.decimals if sent else 0
    if external_id_parse(key) is not None:
        truth = custody.find_by_external_id(key, decimals=decimals)
    else:
        truth = custody.get(key, decimals=decimals)
    return _told(truth) if truth else None


def _told(truth: TransferTruth) -> ToldTransfer:
    return ToldTransfer(
        # Also what moved on chain and did not arrive (COMPLETED_BUT_...): it has left.
        is_moved=truth.phase is TransferPhase.COMPLETED or truth.raw_status == "COMPLETED",
        amount_base_units=truth.amount_base_units,
        to_address=truth.to_address,
        tx_hash=truth.tx_hash or "",
        status=truth.raw_status,
    )


def _is_fireblocks(asset: Asset) -> bool:
    return asset.custody_provider == CustodyProvider.FIREBLOCKS
