"""The sandbox's disputes: opened and decided by a control, read as Stripe shows them, and announced."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from devstack.stripe_sandbox import StripeSandbox

pytestmark = pytest.mark.usefixtures("redis_url")


class Stripe:
    """The sandbox with one paid PaymentIntent."""

    def __init__(self, sandbox: StripeSandbox, key: str) -> None:
        self._url, self._auth = sandbox.base_url, (key, "")
        intent = self.call(
            "POST",
            "/v1/payment_intents",
            amount=2000,
            currency="usd",
            payment_method="pm_card_visa",
            confirm="true",
        )
        self.intent_id = intent["id"]

    def call(self, method: str, path: str, **data: Any) -> dict[str, Any]:
        return dict(requests.request(method, self._url + path, data=data, auth=self._auth, timeout=5).json())

    def dispute(self, outcome: str | None = None) -> dict[str, Any]:
        url = f"{self._url}/_sandbox/payment_intents/{self.intent_id}/dispute"
        return dict(requests.post(url, json={"outcome": outcome}, timeout=5).json())

    def events(self) -> list[str]:
        """Types of the events about disputes, the oldest first."""
        found = self.call("GET", "/v1/events?limit=100&type=charge.dispute.*")["data"]
        return [event["type"].removeprefix("charge.dispute.") for event in reversed(found)]


@pytest.fixture
def stripe(stripe_sandbox: StripeSandbox, settings: Any) -> Stripe:
    return Stripe(stripe_sandbox, settings.STRIPE_SECRET_KEY)


def test_an_open_dispute_is_listed_by_its_payment(stripe: Stripe) -> None:
    opened = stripe.dispute()
    assert (opened["status"], opened["amount"]) == ("needs_response", 2000)
    assert stripe.call("GET", f"/v1/disputes?payment_intent={stripe.intent_id}")["data"] == [opened]
    assert stripe.call("GET", "/v1/disputes?payment_intent=pi_other")["data"] == []
    assert stripe.call("GET", f"/v1/disputes/{opened['id']}") == opened
    assert stripe.events() == ["created", "funds_withdrawn"]


def test_the_control_closes_the_open_dispute(stripe: Stripe) -> None:
    opened = stripe.dispute()
    closed = stripe.dispute("won")
    assert (closed["id"], closed["status"]) == (opened["id"], "won")
    assert stripe.events() == ["created", "funds_withdrawn", "funds_reinstated", "closed"]


def test_a_disputed_payment_is_not_refunded_until_it_is_won(stripe: Stripe) -> None:
    stripe.dispute()
    refused = stripe.call("POST", "/v1/refunds", payment_intent=stripe.intent_id)
    assert refused["error"]["code"] == "charge_disputed"
    stripe.dispute("won")
    assert stripe.call("POST", "/v1/refunds", payment_intent=stripe.intent_id)["status"] == "succeeded"


def test_what_is_refunded_is_not_disputed(stripe: Stripe) -> None:
    stripe.call("POST", "/v1/refunds", payment_intent=stripe.intent_id)
    assert "error" in stripe.dispute()


@pytest.mark.parametrize("outcome", ["drawn", ""])
def test_an_outcome_that_there_is_not(stripe: Stripe, outcome: str) -> None:
    assert stripe.dispute(outcome)["error"]["param"] == "outcome"


def test_a_refund_that_the_bank_sends_back(stripe: Stripe, stripe_sandbox: StripeSandbox) -> None:
    refund = stripe.call("POST", "/v1/refunds", payment_intent=stripe.intent_id)
    url = f"{stripe_sandbox.base_url}/_sandbox/refunds/{refund['id']}/fail"
    assert requests.post(url, timeout=5).json()["status"] == "failed"
    assert stripe.call("GET", f"/v1/charges/{refund['charge']}")["amount_refunded"] == 0
