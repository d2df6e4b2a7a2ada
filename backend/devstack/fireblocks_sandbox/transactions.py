"""Transactions: accept, look up, list, and move to the next status."""

from __future__ import annotations

import json
import re
import secrets
import time
import uuid
from itertools import islice
from typing import Any

from devstack.fireblocks_sandbox import errors
from devstack.fireblocks_sandbox.amounts import to_base_units, to_units
from devstack.fireblocks_sandbox.balances import Balances
from devstack.fireblocks_sandbox.errors import FireblocksError
from devstack.fireblocks_sandbox.events import Events
from devstack.fireblocks_sandbox.outcomes import FINAL, ON_CHAIN, WALKS, rest_of_the_way
from devstack.sandbox_parts.faults import Faults
from devstack.sandbox_parts.store import Document, Store

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_MAX_LISTED = 500
# A fault: the provider accepts an external id that it has accepted before, as one does that promises nothing.
FORGETS_EXTERNAL_ID = "forget_external_id"


def now_ms() -> int:
    """Now, in milliseconds, as Fireblocks writes times."""
    return int(time.time() * 1000)


class Transactions:
    """A record holds the transaction as the API shows it, and beside it what the sandbox knows of it."""

    def __init__(
        self, store: Store, balances: Balances, events: Events, faults: Faults, *, step_s: float
    ) -> None:
        self._store = store
        self._balances = balances
        self._events = events
        self._faults = faults
        self._step_s = step_s

    def create(self, body: Document) -> Document:
        """POST /v1/transactions: {"id", "status": "SUBMITTED"}; 400 for what cannot be accepted."""
        asset_id, vault_id, address = _text(body, "assetId"), _source(body), _destination(body)
        decimals = self._balances.decimals(asset_id, status=400)
        amount = _amount(body, decimals)
        external_id = _text(body, "externalTxId") if body.get("externalTxId") is not None else None
        if external_id and self._store.look_up("transaction", external_id):
            if not self._faults.take({FORGETS_EXTERNAL_ID}, ("transactions.create",), json.dumps(body)):
                raise FireblocksError(
                    400,
                    errors.DUPLICATE_EXTERNAL_ID,
                    "The external tx id that was provided in the request exists",
                )
            external_id = None
        self._balances.reserve(vault_id, asset_id, amount)
        fault = self._faults.take({"outcome"}, ("transactions.create",))
        outcome = fault.outcome if fault else ""
        shown = _transaction(body, vault_id=vault_id, address=address, amount=to_units(amount, decimals))
        _falsify(shown, outcome, amount=amount, decimals=decimals)
        record: Document = {
            "tx": shown,
            "reserved": str(amount),
            "settled": False,
            "steps": WALKS[outcome],
            "due_at": time.time() + self._step_s,
        }
        self._store.add("transaction", shown["id"], record, lookup=external_id)
        self._store.add("walk", shown["id"], {"id": shown["id"]})
        self._events.record("transaction.created", shown)
        return {"id": shown["id"], "status": shown["status"]}

    def retrieve(self, tx_id: str) -> Document:
        """GET by id; 404 otherwise."""
        return self._tx(self._record(tx_id))

    def by_external_id(self, external_id: str) -> Document:
        """GET by external id; 404 code 1412 otherwise."""
        record = self._store.look_up("transaction", external_id)
        if record is None:
            raise FireblocksError(404, errors.NO_SUCH_EXTERNAL_ID, "No transaction with this external tx id")
        return self._tx(record)

    def list(self, query: dict[str, str]) -> list[Document]:
        """GET /v1/transactions: after, before (ms), status, limit, orderBy createdAt|lastUpdated, sort.

        assets and status are lists by commas; sourceId is looked at with a sourceType only.
        """
        key, sort = query.get("orderBy", "createdAt"), query.get("sort", "DESC").upper()
        if key not in ("createdAt", "lastUpdated") or sort not in ("ASC", "DESC"):
            raise FireblocksError(400, errors.INVALID_REQUEST, "bad orderBy or sort")
        after, before = _number(query, "after", 0), _number(query, "before", 2**62)
        statuses, assets = _names(query, "status"), _names(query, "assets")
        source = {
            name: query[f"source{name.capitalize()}"]
            for name in ("type", "id")
            if query.get(f"source{name.capitalize()}")
        }
        if "id" in source and "type" not in source:
            raise FireblocksError(400, errors.INVALID_REQUEST, "sourceId needs sourceType")
        found = [
            tx
            for tx in (record["tx"] for record in self._store.newest("transaction"))
            if after < tx[key] < before
            and (not statuses or tx["status"] in statuses)
            and (not assets or tx["assetId"] in assets)
            and source.items() <= tx["source"].items()
        ]
        found.sort(key=lambda tx: int(tx[key]), reverse=sort == "DESC")
        return list(islice(found, min(_number(query, "limit", 200), _MAX_LISTED)))

    def plant(self, body: Document) -> Document:
        """Control: transactions that came and ended while nobody looked, without walks, events and balances.

        {transactions: [{externalTxId, assetId, vault, address, amount (units), createdAt (ms), status?, txHash?}]}
        """
        for spec in body["transactions"]:
            inner = {"externalTxId": spec["externalTxId"], "assetId": spec["assetId"]}
            tx = _transaction(inner, vault_id=spec["vault"], address=spec["address"], amount=spec["amount"])
            tx |= {"status": spec.get("status", "COMPLETED"), "createdAt": spec["createdAt"]}
            tx |= {
                "lastUpdated": spec["createdAt"],
                "txHash": spec.get("txHash", "0x" + secrets.token_hex(32)),
            }
            record = {"tx": tx, "reserved": "0", "settled": True, "steps": [], "due_at": time.time()}
            self._store.add("transaction", tx["id"], record, lookup=spec["externalTxId"])
        return {"planted": len(body["transactions"])}

    def step(self, tx_id: str) -> None:
        """Take the next step of the walk if it is due; the walk ends with its last step."""
        record = self._store.get("transaction", tx_id)
        if record is None or not record["steps"]:
            self._store.delete("walk", tx_id)
        elif record["due_at"] <= time.time():
            (status, sub_status), *record["steps"] = record["steps"]
            record["due_at"] = time.time() + self._step_s
            self._move(record, status=status, sub_status=sub_status)

    def advance(self, tx_id: str, body: Document) -> Document:
        """Control: set status, subStatus and txHash by hand, or ({}) let it walk on the normal way."""
        record = self._record(tx_id)
        if record["tx"]["status"] in FINAL:
            raise FireblocksError(409, errors.INVALID_REQUEST, "The transaction is final")
        if body.get("txHash") is not None:
            if not _HASH.fullmatch(str(body["txHash"])):
                raise FireblocksError(400, errors.INVALID_REQUEST, "txHash is 0x and 64 hex digits")
            record["tx"]["txHash"] = str(body["txHash"])
        if body.get("status"):
            record["steps"] = []
            self._store.delete("walk", tx_id)
            self._move(record, status=str(body["status"]), sub_status=str(body.get("subStatus") or ""))
        else:
            record |= {"steps": rest_of_the_way(record["tx"]["status"]), "due_at": time.time()}
            self._store.delete("walk", tx_id)
            self._store.add("walk", tx_id, {"id": tx_id})
            self._store.save("transaction", tx_id, record)
        return self._tx(record)

    def _move(self, record: Document, *, status: str, sub_status: str) -> None:
        tx = record["tx"]
        tx |= {"status": status, "subStatus": sub_status, "lastUpdated": max(now_ms(), tx["lastUpdated"] + 1)}
        if status in ON_CHAIN and not tx["txHash"]:
            tx["txHash"] = "0x" + secrets.token_hex(32)
        if status in FINAL and not record["settled"]:
            self._settle(record)
        self._store.save("transaction", tx["id"], record)
        self._events.record("transaction.status.updated", tx)

    def _settle(self, record: Document) -> None:
        tx = record["tx"]
        decimals = self._balances.decimals(tx["assetId"], status=400)
        moved = to_base_units(tx["amountInfo"]["amount"], decimals) if tx["status"] == "COMPLETED" else 0
        self._balances.settle(
            tx["source"]["id"], tx["assetId"], reserved=int(record["reserved"]), moved=moved
        )
        record["settled"] = True

    def _record(self, tx_id: str) -> Document:
        record = self._store.get("transaction", tx_id)
        if record is None:
            raise FireblocksError(404, errors.NO_SUCH_TRANSACTION, f"Transaction not found: {tx_id}")
        return record

    @staticmethod
    def _tx(record: Document) -> Document:
        tx: Document = record["tx"]
        return tx


def _transaction(body: Document, *, vault_id: str, address: str, amount: str) -> Document:
    created = now_ms()
    return {
        "id": str(uuid.uuid4()),
        "externalTxId": body.get("externalTxId"),
        "status": "SUBMITTED",
        "subStatus": "",
        "operation": "TRANSFER",
        "txHash": "",
        "assetId": body["assetId"],
        "amountInfo": {"amount": amount, "requestedAmount": amount},
        "source": {"type": "VAULT_ACCOUNT", "id": vault_id},
        "destination": {"type": "ONE_TIME_ADDRESS", "oneTimeAddress": {"address": address}},
        "destinationAddress": address,
        "note": body.get("note") or "",
        "createdAt": created,
        "lastUpdated": created,
    }


def _falsify(tx: Document, outcome: str, *, amount: int, decimals: int) -> None:
    if outcome == "wrong_amount":
        tx["amountInfo"]["amount"] = to_units(amount - 1 or 2, decimals)
    elif outcome == "wrong_address":
        tx["destinationAddress"] = "0x" + "0bad" * 10


def _text(body: Document, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        raise FireblocksError(400, errors.INVALID_REQUEST, f"{name} must be a text of 1 to 255 characters")
    return value


def _inner(body: Document, name: str, wanted_type: str) -> dict[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict) or value.get("type") != wanted_type:
        raise FireblocksError(400, errors.INVALID_REQUEST, f"{name}.type must be {wanted_type}")
    return value


def _source(body: Document) -> str:
    if body.get("operation", "TRANSFER") != "TRANSFER":
        raise FireblocksError(400, errors.INVALID_REQUEST, "The sandbox knows TRANSFER only")
    return str(_inner(body, "source", "VAULT_ACCOUNT").get("id", ""))


def _destination(body: Document) -> str:
    inner = _inner(body, "destination", "ONE_TIME_ADDRESS").get("oneTimeAddress")
    address = inner.get("address") if isinstance(inner, dict) else None
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        raise FireblocksError(400, errors.INVALID_ADDRESS, "Invalid destination address")
    return address


def _amount(body: Document, decimals: int) -> int:
    value = body.get("amount")
    # A JSON number has been through a float somewhere: 18 decimals do not survive that.
    if not isinstance(value, str):
        raise FireblocksError(400, errors.INVALID_REQUEST, "amount must be a decimal string")
    try:
        amount = to_base_units(value, decimals)
    except ValueError as error:
        raise FireblocksError(400, errors.INVALID_REQUEST, f"amount: {error}") from error
    if amount == 0:
        raise FireblocksError(400, errors.INVALID_REQUEST, "amount must be more than 0")
    return amount


def _names(query: dict[str, str], name: str) -> set[str]:
    return {one for one in query.get(name, "").split(",") if one}


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if text and not re.fullmatch(r"[0-9]{1,16}", text):
        raise FireblocksError(400, errors.INVALID_REQUEST, f"{name} must be a number")
    return int(text) if text else default
