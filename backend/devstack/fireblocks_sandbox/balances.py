"""Assets and vault balances: reserved when a transaction is accepted, taken or given back exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from devstack.fireblocks_sandbox import errors
from devstack.fireblocks_sandbox.amounts import to_units
from devstack.fireblocks_sandbox.errors import FireblocksError
from devstack.sandbox_parts.store import Document, Store


@dataclass(frozen=True)
class SandboxAsset:
    """An asset of the sandbox; `decimals` turns asset units into base units."""

    id: str
    decimals: int
    contract_address: str


DEFAULT_ASSETS = (
    SandboxAsset("POSX_TEST", 18, "0x" + "a1" * 20),
    SandboxAsset("POSX_SIX", 6, "0x" + "b2" * 20),
)
DEFAULT_BALANCES: Mapping[str, Mapping[str, int]] = {
    "0": {"POSX_TEST": 10**9 * 10**18, "POSX_SIX": 10**9 * 10**6}
}


class Balances:
    """Base units by vault account and asset; kept as decimal text, because JSON readers may round big numbers."""

    def __init__(
        self, store: Store, *, assets: Iterable[SandboxAsset], seed: Mapping[str, Mapping[str, int]]
    ) -> None:
        self._store = store
        self._assets = {asset.id: asset for asset in assets}
        self._seed = seed
        with store.transaction():
            self.seed()

    def seed(self) -> None:
        """Add the balances that are not there yet."""
        for vault_id, amounts in self._seed.items():
            for asset_id, amount in amounts.items():
                key = f"{vault_id}/{asset_id}"
                if self._store.get("balance", key) is None:
                    self._store.add("balance", key, {"key": key, "total": str(amount), "locked": "0"})

    def assets(self) -> list[Document]:
        """GET /v1/supported_assets."""
        return [
            {
                "id": asset.id,
                "name": asset.id,
                "type": "ERC20",
                "contractAddress": asset.contract_address,
                "nativeAsset": "ETH_TEST",
                "decimals": asset.decimals,
            }
            for asset in self._assets.values()
        ]

    def asset(self, asset_id: str) -> Document:
        """GET /v1/assets/{id}: by either id, as Fireblocks does; 404 when there is no such asset."""
        for asset in self._assets.values():
            new_id = str(uuid5(NAMESPACE_URL, asset.id))
            if asset_id in (asset.id, new_id):
                return {
                    "id": new_id,
                    "legacyId": asset.id,
                    "blockchainId": str(uuid5(NAMESPACE_URL, "ETH_TEST")),
                    "displayName": asset.id,
                    "displaySymbol": asset.id,
                    "assetClass": "FT",
                    "onchain": {
                        "symbol": asset.id,
                        "name": asset.id,
                        "address": asset.contract_address,
                        "decimals": asset.decimals,
                        "standards": ["ERC20"],
                    },
                    "metadata": {"scope": "LOCAL", "verified": False, "deprecated": False, "media": []},
                }
        raise FireblocksError(404, errors.NO_SUCH_ASSET, f"Asset doesn't exist: {asset_id}")

    def decimals(self, asset_id: str, *, status: int) -> int:
        """The asset's decimals; FireblocksError with `status` when there is no such asset."""
        if asset_id not in self._assets:
            raise FireblocksError(status, errors.NO_SUCH_ASSET, f"Asset doesn't exist: {asset_id}")
        return self._assets[asset_id].decimals

    def vault_asset(self, vault_id: str, asset_id: str) -> Document:
        """GET /v1/vault/accounts/{id}/{assetId}: decimal strings in asset units."""
        decimals = self.decimals(asset_id, status=404)
        row = self._row(vault_id, asset_id, status=404)
        total, locked = int(row["total"]), int(row["locked"])
        shown = {"total": total, "balance": total, "available": total - locked, "lockedAmount": locked}
        zeros = dict.fromkeys(("pending", "frozen", "staked"), "0")
        return {"id": asset_id, **{name: to_units(value, decimals) for name, value in shown.items()}, **zeros}

    def listed(self) -> list[Document]:
        """Every vault account's assets, for the page and the state dump."""
        rows = sorted(self._store.newest("balance"), key=lambda row: str(row["key"]))
        return [
            {"vault": vault_id, **self.vault_asset(vault_id, asset_id)}
            for vault_id, _, asset_id in (row["key"].partition("/") for row in rows)
        ]

    def reserve(self, vault_id: str, asset_id: str, amount: int) -> None:
        """Lock an amount; 400 when less is available."""
        row = self._row(vault_id, asset_id, status=400)
        if int(row["total"]) - int(row["locked"]) < amount:
            raise FireblocksError(400, errors.INSUFFICIENT_FUNDS, "Insufficient funds")
        self._write(row, total=0, locked=amount)

    def settle(self, vault_id: str, asset_id: str, *, reserved: int, moved: int) -> None:
        """Unlock what was reserved and take what moved (0 when nothing did)."""
        self._write(self._row(vault_id, asset_id, status=400), total=-moved, locked=-reserved)

    def _row(self, vault_id: str, asset_id: str, *, status: int) -> Document:
        row = self._store.get("balance", f"{vault_id}/{asset_id}")
        if row is None:
            raise FireblocksError(status, errors.NO_SUCH_VAULT, f"No {asset_id} in vault account {vault_id}")
        return row

    def _write(self, row: Document, *, total: int, locked: int) -> None:
        row["total"] = str(int(row["total"]) + total)
        row["locked"] = str(int(row["locked"]) + locked)
        self._store.save("balance", row["key"], row)
