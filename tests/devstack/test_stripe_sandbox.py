"""The Stripe sandbox, driven by Stripe's own library."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from apps.webhooks.signatures import BadSignature, verify_stripe
from devstack.sandbox_parts.faults import REQUEST_FAULTS, Faults
from devstack.sandbox_parts.store import Store
from devstack.stripe_sandbox import PUBLISHABLE_KEY, StripeSandbox
from tests.devstack.receiver import Receiver, control, eventually, order_fault

KEY = "sk_test_sandbox"
SECRET = "whsec_sandbox"
CREATE: Any = {"amount": 2500, "currency": "eur", "metadata": {"order_id": "o-1"}}


def sandbox_at(path: Path, url: str | None, port: int = 0) -> StripeSandbox:
    sandbox = StripeSandbox(path, port, KEY, url, SECRET, retry_delays_s=(0.05, 0.1))
    sandbox.start()
    return sandbox


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def sandbox(tmp_path: Path, receiver: Receiver) -> Iterator[StripeSandbox]:
    sandbox = sandbox_at(tmp_path / "stripe.sqlite3", receiver.url)
    yield sandbox
    sandbox.stop()


def client_of(sandbox: StripeSandbox, timeout_s: float = 10) -> stripe.StripeClient:
    return stripe.StripeClient(
        KEY,
        base_addresses={"api": sandbox.base_url},
        http_client=stripe.RequestsClient(timeout=timeout_s),
    )


@pytest.fixture
def client(sandbox: StripeSandbox) -> stripe.StripeClient:
    return client_of(sandbox)


def order(**more: Any) -> Any:
    """Parameters of a PaymentIntent; untyped, because some tests send what Stripe refuses."""
    return {**CREATE, **more}


def paid(client: stripe.StripeClient, **more: Any) -> stripe.PaymentIntent:
    return client.v1.payment_intents.create(
        order(**{"payment_method": "pm_card_visa", "confirm": True, **more})
    )


def types(receiver: Receiver) -> list[str]:
    return [json.loads(body)["type"] for _, body in list(receiver.received)]


def test_a_visa_card_pays_at_once(client: stripe.StripeClient) -> None:
    created = client.v1.payment_intents.create(CREATE)
    assert (created.status, created.amount_received) == ("requires_payment_method", 0)

    confirmed = client.v1.payment_intents.confirm(created.id, {"payment_method": "pm_card_visa"})

    assert (confirmed.status, confirmed.amount_received) == ("succeeded", 2500)
    assert confirmed.metadata["order_id"] == "o-1"
    charge = client.v1.charges.retrieve(str(confirmed.latest_charge))
    assert (charge.paid, charge.amount, charge.payment_intent) == (True, 2500, created.id)


def test_a_declined_card_leaves_the_intent_open(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = client.v1.payment_intents.create(CREATE)

    with pytest.raises(stripe.CardError) as declined:
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_chargeDeclined"})

    assert declined.value.code == "card_declined"
    after = client.v1.payment_intents.retrieve(intent.id)
    assert after.status == "requires_payment_method"
    assert after.last_payment_error is not None
    eventually(lambda: "payment_intent.payment_failed" in types(receiver))
    again = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert again.status == "succeeded"


@pytest.mark.parametrize(
    ("outcome", "status"), [("succeeded", "succeeded"), ("failed", "requires_payment_method")]
)
def test_a_bank_payment_waits_until_it_is_settled(
    sandbox: StripeSandbox, client: stripe.StripeClient, outcome: str, status: str
) -> None:
    intent = paid(client, payment_method="pm_usBankAccount_success")
    assert intent.status == "processing"

    control(sandbox.base_url, "POST", f"payment_intents/{intent.id}/settle", {"outcome": outcome})

    assert client.v1.payment_intents.retrieve(intent.id).status == status


def test_a_browser_confirms_with_the_client_secret_only(
    sandbox: StripeSandbox, client: stripe.StripeClient
) -> None:
    intent = client.v1.payment_intents.create(CREATE)
    url = f"{sandbox.base_url}/v1/payment_intents/{intent.id}/confirm"
    form = {"payment_method": "pm_card_visa", "key": PUBLISHABLE_KEY}

    wrong = requests.post(url, data={**form, "client_secret": "guess"}, timeout=5)
    right = requests.post(url, data={**form, "client_secret": str(intent.client_secret)}, timeout=5)

    assert wrong.status_code == 400
    assert right.json()["status"] == "succeeded"
    assert "metadata" not in right.json()
    listing = requests.get(f"{sandbox.base_url}/v1/payment_intents", auth=(PUBLISHABLE_KEY, ""), timeout=5)
    assert listing.status_code == 403


def test_a_wrong_key_is_refused(sandbox: StripeSandbox) -> None:
    stranger = stripe.StripeClient("sk_test_other", base_addresses={"api": sandbox.base_url})

    with pytest.raises(stripe.AuthenticationError):
        stranger.v1.payment_intents.create(CREATE)


def test_cancel_of_a_paid_intent_carries_the_intent(client: stripe.StripeClient) -> None:
    intent = paid(client)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.cancel(intent.id)

    assert refused.value.code == "payment_intent_unexpected_state"
    assert refused.value.error is not None
    assert refused.value.error.payment_intent is not None
    assert refused.value.error.payment_intent.status == "succeeded"


def test_cancel_of_an_open_intent(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = client.v1.payment_intents.create(CREATE)

    canceled = client.v1.payment_intents.cancel(intent.id)

    assert canceled.status == "canceled"
    assert canceled.canceled_at is not None
    eventually(lambda: "payment_intent.canceled" in types(receiver))


def test_intents_are_found_by_order_id(client: stripe.StripeClient) -> None:
    wanted = client.v1.payment_intents.create(CREATE)
    client.v1.payment_intents.create(order(metadata={"order_id": "o-2"}))

    found = client.v1.payment_intents.search({"query": "metadata['order_id']:'o-1'"})

    assert [intent.id for intent in found.data] == [wanted.id]


def test_metadata_is_merged_and_expansion_works(client: stripe.StripeClient) -> None:
    intent = paid(client)

    client.v1.payment_intents.update(intent.id, {"metadata": {"site": "NA", "order_id": ""}})

    read = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert read.metadata.to_dict() == {"site": "NA"}
    assert isinstance(read.latest_charge, stripe.Charge)


def test_a_list_pages_through_everything(client: stripe.StripeClient) -> None:
    made = [client.v1.payment_intents.create(CREATE).id for _ in range(5)]

    listed = [intent.id for intent in client.v1.payment_intents.list({"limit": 2}).auto_paging_iter()]

    assert listed == made[::-1]


@pytest.mark.parametrize(
    "params",
    [
        {"currency": "eur"},
        {"amount": 0, "currency": "eur"},
        {"amount": "2.5", "currency": "eur"},
        {"amount": 10, "currency": "euro"},
        {"amount": 10, "currency": "eur", "colour": "red"},
        {"amount": 10, "currency": "eur", "customer": "cus_nobody"},
        {"amount": 10, "currency": "eur", "payment_method": "pm_nothing"},
    ],
)
def test_bad_parameters_are_refused(client: stripe.StripeClient, params: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create(params)


def test_refunds_never_exceed_what_was_paid(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = paid(client)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 1000})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 1501})

    rest = client.v1.refunds.create({"payment_intent": intent.id})

    assert rest.amount == 1500
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (2500, True)
    assert len(client.v1.refunds.list({"payment_intent": intent.id}).data) == 2
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"
    eventually(lambda: types(receiver).count("charge.refunded") == 2)


def test_a_refund_with_the_same_key_happens_once(client: stripe.StripeClient) -> None:
    intent = paid(client)
    params: Any = {"payment_intent": intent.id, "amount": 100}

    first = client.v1.refunds.create(params, {"idempotency_key": "refund-1"})
    second = client.v1.refunds.create(params, {"idempotency_key": "refund-1"})

    assert first.id == second.id
    assert client.v1.charges.retrieve(str(intent.latest_charge)).amount_refunded == 100


def test_a_key_replays_and_refuses_other_parameters(client: stripe.StripeClient) -> None:
    first = client.v1.payment_intents.create(CREATE, {"idempotency_key": "k"})
    second = client.v1.payment_intents.create(CREATE, {"idempotency_key": "k"})

    assert second.id == first.id
    assert second.last_response is not None
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        client.v1.payment_intents.create(order(amount=1), {"idempotency_key": "k"})


def test_a_key_whose_request_still_runs_is_a_conflict(
    sandbox: StripeSandbox, client: stripe.StripeClient
) -> None:
    order_fault(sandbox.base_url, operation="payment_intents.create", fault="slow", seconds=1)
    ids: list[str] = []
    running = threading.Thread(
        target=lambda: ids.append(client.v1.payment_intents.create(CREATE, {"idempotency_key": "k"}).id)
    )
    running.start()
    eventually(lambda: not control(sandbox.base_url, "GET", "faults"))

    with pytest.raises(stripe.APIError) as conflict:
        client_of(sandbox).v1.payment_intents.create(CREATE, {"idempotency_key": "k"})

    assert conflict.value.http_status == 409
    assert conflict.value.error is not None
    assert conflict.value.error.code == "idempotency_key_in_use"
    running.join()
    assert client.v1.payment_intents.create(CREATE, {"idempotency_key": "k"}).id == ids[0]


def test_accept_then_hang_happened_all_the_same(sandbox: StripeSandbox) -> None:
    order_fault(sandbox.base_url, operation="payment_intents.create", fault="accept_then_hang", seconds=5)
    with pytest.raises(stripe.APIConnectionError):
        client_of(sandbox, timeout_s=0.3).v1.payment_intents.create(CREATE, {"idempotency_key": "k"})

    again = client_of(sandbox).v1.payment_intents.create(CREATE, {"idempotency_key": "k"})

    held = control(sandbox.base_url, "GET", "state")["payment_intents"]
    assert [intent["id"] for intent in held] == [again.id]


def test_hang_before_did_not_happen(sandbox: StripeSandbox) -> None:
    order_fault(sandbox.base_url, operation="payment_intents.create", fault="hang_before", seconds=0.1)

    with pytest.raises(stripe.APIConnectionError):
        client_of(sandbox).v1.payment_intents.create(CREATE, {"idempotency_key": "k"})

    assert control(sandbox.base_url, "GET", "state")["payment_intents"] == []


@pytest.mark.parametrize(("fault", "made"), [("error_500_before", 0), ("error_500_after", 1)])
def test_a_500_is_kept_by_the_key(
    sandbox: StripeSandbox, client: stripe.StripeClient, fault: str, made: int
) -> None:
    order_fault(sandbox.base_url, operation="payment_intents.create", fault=fault)

    for _ in range(2):
        with pytest.raises(stripe.APIError):
            client.v1.payment_intents.create(CREATE, {"idempotency_key": "k"})

    assert len(control(sandbox.base_url, "GET", "state")["payment_intents"]) == made


def test_rate_limit_is_not_kept_by_the_key(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    order_fault(sandbox.base_url, operation="payment_intents.*", fault="rate_limit")
    with pytest.raises(stripe.RateLimitError):
        client.v1.payment_intents.create(CREATE, {"idempotency_key": "k"})

    assert client.v1.payment_intents.create(CREATE, {"idempotency_key": "k"}).id


def test_webhooks_are_signed_as_stripe_signs(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = paid(client)

    eventually(lambda: "payment_intent.succeeded" in types(receiver))

    for headers, body in receiver.received:
        event = stripe.Webhook.construct_event(body, headers["stripe-signature"], SECRET)
        assert event.data.object["livemode"] is False
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body, headers["stripe-signature"], "whsec_other")
    assert set(types(receiver)) == {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"}
    assert intent.status == "succeeded"


def test_a_refused_webhook_comes_again(
    sandbox: StripeSandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    receiver.status = 503
    client.v1.payment_intents.create(CREATE)
    eventually(lambda: len(receiver.received) >= 2)
    failing = client.v1.events.list({"delivery_success": False}).data
    assert [event.type for event in failing] == ["payment_intent.created"]

    receiver.status = 200

    eventually(lambda: client.v1.events.list({"delivery_success": True}).data)


def test_dropped_and_duplicated_webhooks(
    sandbox: StripeSandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    order_fault(sandbox.base_url, operation="payment_intent.succeeded", fault="drop_webhooks")
    order_fault(sandbox.base_url, operation="charge.succeeded", fault="duplicate_webhooks")

    paid(client)

    eventually(lambda: types(receiver).count("charge.succeeded") == 2)
    assert "payment_intent.succeeded" not in types(receiver)
    lost = client.v1.events.list({"types": ["payment_intent.succeeded"], "delivery_success": False}).data
    control(sandbox.base_url, "POST", f"events/{lost[0].id}/resend")
    eventually(lambda: "payment_intent.succeeded" in types(receiver))


def test_events_are_listed_by_type_and_time(client: stripe.StripeClient) -> None:
    intent = paid(client)

    by_type = client.v1.events.list({"type": "payment_intent.succeeded"}).data
    in_future = client.v1.events.list({"created": {"gte": intent.created + 3600}}).data

    assert [event.data.object["id"] for event in by_type] == [intent.id]
    assert client.v1.events.retrieve(by_type[0].id).type == "payment_intent.succeeded"
    assert in_future == []


def test_a_restart_keeps_state_keys_and_waiting_webhooks(tmp_path: Path) -> None:
    # Given a payment whose webhooks found nobody
    down = Receiver()
    port, url = int(down.server.base_url.rpartition(":")[2]), down.url
    down.stop()
    first = sandbox_at(tmp_path / "s.sqlite3", url)
    intent = client_of(first).v1.payment_intents.create(CREATE, {"idempotency_key": "k"})
    first.stop()

    # When both come back
    up = Receiver(port=port)
    second = sandbox_at(tmp_path / "s.sqlite3", url)
    try:
        again = client_of(second).v1.payment_intents.create(CREATE, {"idempotency_key": "k"})

        # Then nothing was lost and nothing was made twice
        assert again.id == intent.id
        eventually(lambda: types(up) == ["payment_intent.created"])
    finally:
        second.stop()
        up.stop()


def test_reset_forgets_everything(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    paid(client)

    control(sandbox.base_url, "POST", "reset")

    assert not any(control(sandbox.base_url, "GET", "state").values())


def test_the_page_escapes_what_it_shows(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    client.v1.payment_intents.create(order(metadata={"note": "<script>alert(1)</script>"}))

    page = requests.get(sandbox.base_url, timeout=5).text

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_concurrent_requests_with_one_key_make_one_intent(sandbox: StripeSandbox) -> None:
    statuses: list[int] = []

    def create() -> None:
        form = {"amount": "10", "currency": "eur"}
        headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "same"}
        url = f"{sandbox.base_url}/v1/payment_intents"
        statuses.append(requests.post(url, data=form, headers=headers, timeout=10).status_code)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(statuses) == 8
    assert set(statuses) <= {200, 409}
    assert len(control(sandbox.base_url, "GET", "state")["payment_intents"]) == 1


def test_an_event_that_is_delayed_comes_behind_later_ones(
    sandbox: StripeSandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    order_fault(sandbox.base_url, operation="charge.succeeded", fault="delay_webhooks", seconds=0.5)
    paid(client)

    eventually(lambda: "charge.succeeded" in types(receiver))

    assert types(receiver)[-1] == "charge.succeeded"
    assert "payment_intent.succeeded" in types(receiver)


def test_a_forged_event_says_that_an_unpaid_intent_is_paid_and_its_signature_does_not_hold(
    sandbox: StripeSandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    order_fault(sandbox.base_url, operation="payment_intent.created", fault="forge_webhooks")
    intent = client.v1.payment_intents.create(CREATE)

    eventually(lambda: "payment_intent.succeeded" in types(receiver))

    assert client.v1.payment_intents.retrieve(intent.id).status == "requires_payment_method"
    for headers, body in receiver.received:
        if json.loads(body)["type"] == "payment_intent.succeeded":
            with pytest.raises(BadSignature):
                verify_stripe(body, headers["stripe-signature"], [SECRET])


def test_signatures_of_a_clock_that_is_wrong_are_too_old(
    sandbox: StripeSandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    control(sandbox.base_url, "PUT", "clock", {"offset_s": -310})
    client.v1.payment_intents.create(CREATE)

    headers, body = eventually(lambda: receiver.received)[0]

    with pytest.raises(BadSignature, match="signature_too_old_or_new"):
        verify_stripe(body, headers["stripe-signature"], [SECRET])


def test_chance_is_drawn_from_a_seed(tmp_path: Path) -> None:
    def drawn(name: str, seed: str) -> list[bool]:
        store = Store(tmp_path / name)
        faults = Faults(store)
        faults.add({"fault": "hang_before", "times": 40, "chance": 0.5, "seed": seed})
        struck = [faults.take(REQUEST_FAULTS, ("any",)) is not None for _ in range(40)]
        assert faults.waiting() == []
        store.close()
        return struck

    first = drawn("first", "7")
    assert first == drawn("again", "7")
    assert first != drawn("other", "8")
    assert 5 < sum(first) < 35
