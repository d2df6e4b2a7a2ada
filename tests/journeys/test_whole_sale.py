"""A sale over real HTTP, with a real worker, real sandboxes and their signed events; and with what gets lost."""

from __future__ import annotations

import io
import os
import secrets
from typing import Any

import pytest
import redis
import requests
from celery import current_app
from django.conf import settings

from devstack.api_client import ApiClient
from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.issuer import LocalIssuer
from devstack.narrator import StoryFailed
from devstack.provider_view import pay_as_a_browser, payment_event_delivery
from devstack.story import LIFE_STEPS, SALE_STEPS, tell, tell_sale
from devstack.stripe_sandbox import StripeSandbox
from tests.journeys.conftest import StartWorker
from tests.journeys.sale_site import SalePlace, given_demo_site
from tests.waiting import wait_until
from tests.workers import WorkerProcess


@pytest.fixture
def place(
    app_server: str,
    stripe_sandbox: StripeSandbox,
    fireblocks_sandbox: FireblocksSandbox,
    issuer: LocalIssuer,
) -> SalePlace:
    return SalePlace(app_server, stripe_sandbox, fireblocks_sandbox, issuer, given_demo_site())


class Buyer:
    """Somebody who buys one unit and pays for it."""

    def __init__(self, place: SalePlace) -> None:
        code, subject = place.seed["site_code"], f"test|{secrets.token_hex(6)}"
        self.place = place
        self.api = ApiClient(place.api_url, site_code=code, token=place.mint(subject))
        self.api.post("me/").expect(201)
        self.wallet = self.api.post("wallets/", {"address": f"0x{secrets.token_hex(20)}"}).expect(201)

    def buys_and_pays(self) -> None:
        tier, *_ = self.api.every("tiers/")
        wish = {"tier_id": tier["id"], "quantity_units": 1, "wallet_id": self.wallet["id"]}
        self.order = self.api.post("orders/", wish, key=secrets.token_hex(8)).expect(201)
        pay_as_a_browser(
            self.place.stripe_url,
            intent_id=self.order["payment_intent_id"],
            client_secret=self.order["client_secret"],
            payment_method="pm_card_visa",
        )

    def event_delivery(self) -> str:
        return payment_event_delivery(self.place.stripe_url, intent_id=self.order["payment_intent_id"])[1]

    def order_status(self) -> str:
        return str(self.api.get(f"orders/{self.order['id']}/").expect(200)["status"])

    def assert_owed_what_was_bought(self) -> None:
        releases = self.api.every("vesting/releases/", limit="100")
        total = sum(int(release["amount_base_units"]) for release in releases)
        assert total == int(self.order["tokens_base_units"])


def run_entry_of_beat(name: str) -> None:
    """Send what beat sends for an entry of its schedule."""
    current_app.send_task(settings.CELERY_BEAT_SCHEDULE[name]["task"])


def test_the_whole_story_holds(place: SalePlace, celery_worker: WorkerProcess) -> None:
    told = io.StringIO()
    tell(place, told)
    assert f"{SALE_STEPS}/{SALE_STEPS}" in told.getvalue()
    assert f"{LIFE_STEPS}/{LIFE_STEPS}" in told.getvalue()
    assert "◄ released" in told.getvalue()
    assert "in exactly one transfer" in told.getvalue()


def test_the_story_notices_when_custody_sent_another_amount(
    place: SalePlace, celery_worker: WorkerProcess
) -> None:
    fault = {"outcome": "wrong_amount"}
    requests.post(f"{place.fireblocks_url}/_sandbox/faults", json=fault, timeout=5).raise_for_status()
    with pytest.raises(StoryFailed, match="the payout came to be held; paid was to be expected"):
        tell_sale(place, io.StringIO())


def test_redis_emptied_between_the_event_and_the_worker_only_delays(
    place: SalePlace, start_worker: StartWorker
) -> None:
    # Given a payment whose event has arrived and rung while no worker was there
    buyer = Buyer(place)
    buyer.buys_and_pays()
    wait_until(lambda: buyer.event_delivery() == "delivered", 20, "the event is delivered")
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        assert client.llen("celery") > 0
        # When everything in this test's Redis database is lost (FLUSHALL would empty the other tests' too)
        client.flushdb()
    start_worker("late")
    assert buyer.order_status() == "pending"
    run_entry_of_beat("sweep-inbox")
    # Then the row in the inbox is enough
    wait_until(lambda: buyer.order_status() == "paid", 20, "the order is paid")
    buyer.assert_owed_what_was_bought()


def test_an_event_that_never_comes_only_delays(
    place: SalePlace, start_worker: StartWorker, admin_connection: Any
) -> None:
    # Given a payment of which Stripe's events are lost
    fault = {"operation": "*", "fault": "drop_webhooks", "times": 10}
    requests.post(f"{place.stripe_url}/_sandbox/faults", json=fault, timeout=5).raise_for_status()
    buyer = Buyer(place)
    buyer.buys_and_pays()
    assert buyer.event_delivery() == "dropped"
    # When the time of the order's own check has come
    with admin_connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET next_check_at = now() WHERE id = %s", [buyer.order["id"]])
    start_worker("late")
    run_entry_of_beat("sweep-orders")
    # Then Stripe's own truth is enough
    wait_until(lambda: buyer.order_status() == "paid", 20, "the order is paid")
    buyer.assert_owed_what_was_bought()
