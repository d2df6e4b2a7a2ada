"""The hash that people approve: every address and amount of a batch, and where the tokens come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from uuid import UUID

from apps.sites.models import Asset


def plan_sha256(asset: Asset, lines: Iterable[tuple[UUID, str, int]]) -> str:
    """SHA-256, in hex, of the batch as canonical JSON (sorted keys, no spaces).

    ``lines`` are (payout id, address, base units). Amounts are text: a reader in another language must come to
    the same hash without big integers.
    """
    document = {
        "asset": str(asset.id),
        "chain_id": asset.chain_id,
        "contract_address": asset.contract_address,
        "custody_asset_id": asset.custody_asset_id,
        "custody_provider": asset.custody_provider,
        "custody_vault_id": asset.custody_vault_id,
        "decimals": asset.decimals,
        "payouts": sorted([str(payout_id), address, str(amount)] for payout_id, address, amount in lines),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
