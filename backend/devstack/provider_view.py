"""What the two providers' sandboxes did and hold, seen over their own HTTP: the story's independent witness."""

from __future__ import annotations

from typing import Any

import requests

from devstack.fireblocks_sandbox.amounts import to_base_units
from devstack.narrator import StoryFailed
from devstack.stripe_sandbox.credentials import PUBLISHABLE_KEY

TIMEOUT_S = 10.0


def pay_as_a_browser(stripe_url: str, *, intent_id: str, client_secret: str, payment_method: str) -> str:
    """Confirm a PaymentIntent with the publishable key, as Stripe.js does; the intent's status. Raises StoryFailed."""
    form = {"key": PUBLISHABLE_KEY, "client_secret": client_secret, "payment_method": payment_method}
    answer = _call("POST", f"{stripe_url}/v1/payment_intents/{intent_id}/confirm", data=form)
    if "status" not in answer:
        raise StoryFailed(f"Stripe refused the payment: {answer.get('error', answer)}")
    return str(answer["status"])


def payment_event_delivery(stripe_url: str, *, intent_id: str) -> tuple[str, str]:
    """(event id, delivery state) of the event that says that this intent succeeded; "none" before there is one."""
    state = _state(stripe_url)
    ids = [
        event["id"]
        for event in state["events"]
        if event["type"] == "payment_intent.succeeded" and event["data"]["object"]["id"] == intent_id
    ]
    return _delivery(state, ids)


def transfer_event_delivery(fireblocks_url: str, *, transfer_id: str) -> tuple[str, str]:
    """(event id, delivery state) of the event that says that this transfer is completed."""
    state = _state(fireblocks_url)
    ids = [
        event["id"]
        for event in state["events"]
        if event["resourceId"] == transfer_id and event["data"]["status"] == "COMPLETED"
    ]
    return _delivery(state, ids)


def transfers_to(fireblocks_url: str, *, address: str, decimals: int) -> list[dict[str, Any]]:
    """Every transfer that custody ever accepted for an address; `base_units` is its exact amount."""
    return [
        {**transfer, "base_units": to_base_units(transfer["amountInfo"]["amount"], decimals)}
        for transfer in _state(fireblocks_url)["transactions"]
        if str(transfer["destinationAddress"]).lower() == address.lower()
    ]


def _delivery(state: dict[str, Any], event_ids: list[str]) -> tuple[str, str]:
    for delivery in state["deliveries"]:
        if delivery["event_id"] in event_ids:
            return str(delivery["event_id"]), str(delivery["state"])
    return "", "none"


def _state(base_url: str) -> dict[str, Any]:
    return _call("GET", f"{base_url}/_sandbox/state")


def _call(method: str, url: str, **arguments: Any) -> dict[str, Any]:
    try:
        with requests.Session() as session:
            session.trust_env = False  # a proxy of the machine must not see calls to 127.0.0.1
            answer = session.request(method, url, timeout=TIMEOUT_S, **arguments)
            body: dict[str, Any] = answer.json()
    except requests.RequestException as error:
        raise StoryFailed(f"{method} {url} got no answer ({type(error).__name__}).") from error
    return body
