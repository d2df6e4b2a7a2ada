"""What the providers' own books say at the end: Stripe's money, custody's and the chain's tokens."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import requests

from devstack.faults.place import Place
from devstack.faults.steps import Custody
from devstack.fireblocks_sandbox.amounts import to_base_units

_TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
_MOVED_NOTHING = frozenset({"CANCELLED", "BLOCKED", "REJECTED", "FAILED"})
_PATIENCE_S = 120


@dataclass(frozen=True)
class Sent:
    """One transfer: what moved, and under which hash ("" before it has one)."""

    amount_base_units: int
    tx_hash: str


@dataclass(frozen=True)
class Books:
    """`paid_minor`: by order id, what each of its PaymentIntents received. `sent`: by lower-case address.

    ``event_ids``: of every event that a provider did send.
    """

    paid_minor: dict[str, list[int]]
    sent: dict[str, list[Sent]]
    event_ids: frozenset[str]


def books_of(place: Place) -> Books:
    """Read all three."""
    stripe, fireblocks = _state(place, "stripe"), _state(place, "fireblocks")
    paid: dict[str, list[int]] = defaultdict(list)
    for intent in stripe["payment_intents"]:
        if intent["status"] == "succeeded":
            paid[str(intent["metadata"].get("order_id", ""))].append(int(intent["amount_received"]))
    sent: dict[str, list[Sent]] = defaultdict(list)
    decimals = {asset["id"]: int(asset["decimals"]) for asset in fireblocks["assets"]}
    for transfer in fireblocks["transactions"]:
        if transfer["status"] not in _MOVED_NOTHING:
            amount = to_base_units(transfer["amountInfo"]["amount"], decimals[transfer["assetId"]])
            sent[str(transfer["destinationAddress"]).lower()].append(
                Sent(amount, str(transfer["txHash"] or ""))
            )
    for address, transfer in _on_chain(place):
        sent[address].append(transfer)
    events = frozenset(event["id"] for state in (stripe, fireblocks) for event in state["events"])
    return Books(dict(paid), dict(sent), events)


def _on_chain(place: Place) -> list[tuple[str, Sent]]:
    """Every Transfer event that the tokens wrote from the sites' wallets, on the chain as it is now."""
    contracts = sorted({site.contract_address for site in place.sites[Custody.EVM]})
    logs = place.chain.rpc(
        "eth_getLogs",
        {"fromBlock": "0x0", "toBlock": "latest", "address": contracts, "topics": [_TRANSFER_TOPIC]},
    )
    return [
        (f"0x{log['topics'][2][-40:]}".lower(), Sent(int(log["data"], 16), str(log["transactionHash"])))
        for log in logs
    ]


def _state(place: Place, provider: str) -> dict[str, Any]:
    answer = requests.get(f"{place.sandboxes.url(provider)}/_sandbox/state", timeout=_PATIENCE_S)
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body
