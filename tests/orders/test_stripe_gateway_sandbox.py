"""The gateway against the Stripe sandbox: the calls that an order makes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from apps.core.remote import RemoteRejected
from apps.orders import stripe_gateway
from apps.orders.stripe_gateway import (
    Intent,
    Payment,
    Refund,
    StripeCredentialsRefused,
    StripeGateway,
    StripeUnknown,
)
from devstack.stripe_sandbox.server import StripeSandbox

KEY = "sk_test_gateway"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[StripeSandbox]:
    running = StripeSandbox(tmp_path / "stripe.sqlite", 0, KEY, None, "whsec_test")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def gateway(sandbox: StripeSandbox) -> StripeGateway:
    return StripeGateway(KEY, sandbox.base_url)


def make(gateway: StripeGateway, amount_minor: int = 2_500) -> Intent:
    return gateway.create_intent(
        order_id=uuid4(), site_id=uuid4(), amount_minor=amount_minor, currency="USD", description="Order"
    )


def pay(sandbox: StripeSandbox, intent: Intent) -> None:
    answer = requests.post(
        f"{sandbox.base_url}/v1/payment_intents/{intent.id}/confirm",
        data={"payment_method": "pm_card_visa", "return_url": "https://shop.example/"},
        auth=(KEY, ""),
        timeout=5,
    )
    assert answer.status_code == 200, answer.text


def test_a_new_intent_carries_what_was_asked_for(gateway: StripeGateway) -> None:
    order_id, site_id = uuid4(), uuid4()
    intent = gateway.create_intent(order_id=order_id, site_id=site_id, amount_minor=2_500, currency="USD")
    assert (intent.amount_minor, intent.currency, intent.amount_received_minor) == (2_500, "usd", 0)
    assert intent.metadata == {"order_id": str(order_id), "site_id": str(site_id)}
    assert intent.client_secret


def test_the_same_order_gets_the_same_intent_and_never_two(gateway: StripeGateway) -> None:
    order_id, site_id = uuid4(), uuid4()
    first, second = (
        gateway.create_intent(order_id=order_id, site_id=site_id, amount_minor=100, currency="usd")
        for _ in range(2)
    )
    assert first == second


def test_the_same_order_with_another_amount_is_not_taken_for_a_refusal(gateway: StripeGateway) -> None:
    order_id, site_id = uuid4(), uuid4()
    gateway.create_intent(order_id=order_id, site_id=site_id, amount_minor=100, currency="usd")
    with pytest.raises(StripeUnknown) as failure:
        gateway.create_intent(order_id=order_id, site_id=site_id, amount_minor=101, currency="usd")
    assert failure.value.code == "stripe_idempotency_key_reused"


def test_a_paid_intent_says_so(gateway: StripeGateway, sandbox: StripeSandbox) -> None:
    intent = make(gateway)
    pay(sandbox, intent)
    paid = gateway.get_intent(intent.id)
    assert (paid.status, paid.amount_received_minor) == ("succeeded", 2_500)
    assert paid.latest_charge_id is not None
    assert gateway.intent_id_of_charge(paid.latest_charge_id) == intent.id


def test_an_order_finds_its_intent_again(gateway: StripeGateway, sandbox: StripeSandbox) -> None:
    order_id = uuid4()
    intent = gateway.create_intent(order_id=order_id, site_id=uuid4(), amount_minor=100, currency="usd")
    pay(sandbox, intent)
    found = gateway.find_intent_by_order(order_id)
    assert found is not None
    assert (found.id, found.status) == (intent.id, "succeeded")
    assert gateway.find_intent_by_order(uuid4()) is None


def test_an_open_intent_is_cancelled_once_and_again(gateway: StripeGateway) -> None:
    intent = make(gateway)
    assert gateway.cancel_intent(intent.id).status == "canceled"
    assert gateway.cancel_intent(intent.id).status == "canceled"


def test_cancelling_a_paid_intent_tells_that_it_is_paid(
    gateway: StripeGateway, sandbox: StripeSandbox
) -> None:
    intent = make(gateway)
    pay(sandbox, intent)
    assert gateway.cancel_intent(intent.id).status == "succeeded"


def test_a_refund_is_made_once_under_its_key(gateway: StripeGateway, sandbox: StripeSandbox) -> None:
    intent = make(gateway)
    pay(sandbox, intent)
    first, second = (
        gateway.create_refund(intent_id=intent.id, amount_minor=2_500, idempotency_key="refund-1")
        for _ in range(2)
    )
    assert first == second == gateway.get_refund(first.id)
    assert gateway.list_refunds(intent.id) == [first]
    assert (first.amount_minor, first.intent_id, first.currency) == (2_500, intent.id, "usd")


def test_more_than_was_paid_is_refused(gateway: StripeGateway, sandbox: StripeSandbox) -> None:
    intent = make(gateway)
    pay(sandbox, intent)
    with pytest.raises(RemoteRejected):
        gateway.create_refund(intent_id=intent.id, amount_minor=2_501, idempotency_key="refund-2")


def test_events_are_listed_by_type_over_several_pages(
    gateway: StripeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.orders.stripe_gateway.PAGE_SIZE", 2)
    intents = [make(gateway) for _ in range(5)]
    gateway.cancel_intent(intents[0].id)
    since = datetime.now(UTC) - timedelta(minutes=5)
    created, has_more = gateway.list_events(["payment_intent.created"], since)
    assert (len(created), has_more) == (2, True)
    while has_more:
        page, has_more = gateway.list_events(["payment_intent.created"], since, created[-1].id)
        created += page
    assert {event.payload["data"]["object"]["id"] for event in created} == {intent.id for intent in intents}
    assert len({event.id for event in created}) == 5
    assert {event.payload["object"] for event in created} == {"event"}
    assert all(event.created_at >= since for event in created)
    later = datetime.now(UTC) + timedelta(minutes=5)
    assert gateway.list_events(["payment_intent.created"], later) == ([], False)


def test_what_is_not_there_is_refused(gateway: StripeGateway) -> None:
    with pytest.raises(RemoteRejected) as failure:
        gateway.get_intent("pi_nothing")
    assert failure.value.code == "resource_missing"


def test_a_wrong_key_is_no_fault_of_the_order(sandbox: StripeSandbox) -> None:
    with pytest.raises(StripeCredentialsRefused):
        make(StripeGateway("sk_test_wrong", sandbox.base_url))


def test_movements_are_listed_page_by_page_as_they_are_now(
    gateway: StripeGateway, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_gateway, "PAGE_SIZE", 2)
    made = [make(gateway, 100 + number) for number in range(3)]
    for intent in made:
        pay(sandbox, intent)
    refund = gateway.create_refund(intent_id=made[0].id, amount_minor=40, idempotency_key="r")
    now = datetime.now(UTC)
    pages = list(
        gateway.list_movements(
            created_from=now - timedelta(minutes=1), created_before=now + timedelta(minutes=1)
        )
    )
    moved = [one for page in pages for one in page]
    assert [len(page) for page in pages] == [2, 2]
    assert {one.id for one in moved if isinstance(one, Refund)} == {refund.id}
    payments = {one.key: one for one in moved if isinstance(one, Payment)}
    assert {key: (one.amount_minor, one.refunded_minor) for key, one in payments.items()} == {
        made[0].id: (100, 40),
        made[1].id: (101, 0),
        made[2].id: (102, 0),
    }
    assert payments[made[0].id].metadata == made[0].metadata


def test_a_span_that_is_over_holds_nothing_of_now(gateway: StripeGateway, sandbox: StripeSandbox) -> None:
    pay(sandbox, make(gateway))
    then = datetime.now(UTC) - timedelta(hours=1)
    pages = gateway.list_movements(created_from=then - timedelta(hours=1), created_before=then)
    assert list(pages) == [[]]


def test_a_payment_is_found_once_it_is_paid(gateway: StripeGateway, sandbox: StripeSandbox) -> None:
    intent = make(gateway)
    assert gateway.find_payment(intent.id) is None
    pay(sandbox, intent)
    found = gateway.find_payment(intent.id)
    assert found is not None and (found.key, found.amount_minor) == (intent.id, 2_500)
    assert gateway.find_payment("pi_never") is None
    assert gateway.find_refund("re_never") is None
