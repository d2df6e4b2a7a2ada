"""What each failure of Stripe means, against a real HTTP server."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import transaction
from pytest_django import Settings

from apps.core.remote import RemoteError, RemoteInsideTransaction, RemoteRejected
from apps.orders.stripe_gateway import StripeCredentialsRefused, StripeGateway, StripeUnknown
from tests.http_peers import Answer, Asked, Peer, running_peer

ORDER = UUID("0192f0c4-0000-7000-8000-000000000001")
SITE = UUID("0192f0c4-0000-7000-8000-000000000002")
KEY = "sk_test_never_shown"
INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "status": "succeeded",
    "amount": 100,
    "amount_received": 100,
    "currency": "usd",
    "metadata": {"order_id": str(ORDER)},
    "client_secret": "pi_1_secret_hidden",
    "latest_charge": "ch_1",
    "created": 5,
}


@pytest.fixture
def peer() -> Iterator[Peer]:
    with running_peer() as running:
        running.always(Answer(body=INTENT))
        yield running


@pytest.fixture
def gateway(peer: Peer) -> StripeGateway:
    return StripeGateway(KEY, peer.url, timeout_s=0.5)


def create(gateway: StripeGateway) -> object:
    return gateway.create_intent(order_id=ORDER, site_id=SITE, amount_minor=100, currency="usd")


def error(status: int, headers: dict[str, str] | None = None, **fields: object) -> Answer:
    return Answer(
        status, {"error": {"type": "invalid_request_error", "message": "no"} | fields}, headers or {}
    )


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (error(400, code="parameter_missing"), RemoteRejected, "parameter_missing"),
        (error(400), RemoteRejected, "stripe_rejected"),
        (error(402, type="card_error", code="card_declined"), RemoteRejected, "card_declined"),
        (error(404, code="resource_missing"), RemoteRejected, "resource_missing"),
        (error(400, type="idempotency_error"), StripeUnknown, "stripe_idempotency_key_reused"),
        (error(409, type="idempotency_error"), StripeUnknown, "stripe_unavailable"),
        (error(429), StripeUnknown, "stripe_rate_limited"),
        (error(400, code="rate_limit"), StripeUnknown, "stripe_rate_limited"),
        (error(401), StripeCredentialsRefused, "stripe_credentials_refused"),
        (error(403), StripeCredentialsRefused, "stripe_credentials_refused"),
        (error(500), StripeUnknown, "stripe_unavailable"),
        (error(503), StripeUnknown, "stripe_unavailable"),
        (Answer(502, b"<html>"), StripeUnknown, "stripe_unavailable"),
        (Answer(400, b"<html>"), StripeUnknown, "stripe_unavailable"),
        (Answer(200, b"<html>"), StripeUnknown, "stripe_unavailable"),
        (Answer(302, {}, {"Location": "/elsewhere"}), StripeUnknown, "stripe_unreachable"),
        (Answer(drop=True), StripeUnknown, "stripe_unreachable"),
        (Answer(hang=True), StripeUnknown, "stripe_unreachable"),
        (Answer(200, []), StripeUnknown, "stripe_answer_unreadable"),
        (Answer(200, {}), StripeUnknown, "stripe_answer_unreadable"),
        (Answer(200, INTENT | {"amount": "100"}), StripeUnknown, "stripe_answer_unreadable"),
        (Answer(200, INTENT | {"amount": 1.5}), StripeUnknown, "stripe_answer_unreadable"),
        (Answer(200, INTENT | {"id": None}), StripeUnknown, "stripe_answer_unreadable"),
    ],
)
def test_each_failure_has_one_meaning_and_is_asked_once(
    gateway: StripeGateway, peer: Peer, answer: Answer, kind: type[RemoteError], code: str
) -> None:
    peer.always(answer)
    with pytest.raises(kind) as failure:
        create(gateway)
    assert failure.value.code == code
    assert failure.value.permanent is (kind is RemoteRejected)
    assert len(peer.asked) == 1


def test_a_stripe_that_is_not_there_is_an_unknown_outcome() -> None:
    with pytest.raises(StripeUnknown):
        create(StripeGateway(KEY, "http://127.0.0.1:1"))


@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_stripe_asks_for_is_passed_on(gateway: StripeGateway, peer: Peer, status: int) -> None:
    peer.always(error(status, {"Retry-After": "7"}))
    with pytest.raises(StripeUnknown) as failure:
        create(gateway)
    assert failure.value.retry_after_s == 7


def test_nothing_secret_shows(gateway: StripeGateway, peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        intent = create(gateway)
        peer.always(error(401, message=f"Invalid API Key provided: {KEY}"))
        with pytest.raises(StripeCredentialsRefused) as failure:
            create(gateway)
    shown = repr(intent) + repr(gateway) + caplog.text + str(failure.value)
    assert KEY not in shown
    assert "secret_hidden" not in shown


def test_a_cancel_that_comes_too_late_returns_the_truth(gateway: StripeGateway, peer: Peer) -> None:
    late = error(400, code="payment_intent_unexpected_state")
    peer.answer = lambda asked: late if asked.method == "POST" else Answer(body=INTENT)
    assert gateway.cancel_intent("pi_1").status == "succeeded"
    assert [asked.path for asked in peer.asked] == [
        "/v1/payment_intents/pi_1/cancel",
        "/v1/payment_intents/pi_1",
    ]


def test_of_several_intents_of_an_order_the_paid_one_counts_and_is_fetched(
    gateway: StripeGateway, peer: Peer
) -> None:
    found = [
        INTENT | {"id": "pi_open", "status": "requires_payment_method", "created": 9},
        INTENT | {"id": "pi_paid", "created": 1},
        INTENT | {"id": "pi_gone", "status": "canceled", "created": 10},
    ]

    def answer(asked: Asked) -> Answer:
        if "search" in asked.path:
            return Answer(body={"object": "search_result", "data": found, "has_more": False})
        return Answer(body=INTENT | {"id": asked.path.rsplit("/")[-1]})

    peer.answer = answer
    intent = gateway.find_intent_by_order(ORDER)
    assert intent is not None
    assert intent.id == "pi_paid"


def test_an_order_id_that_is_none_cannot_reach_the_query(gateway: StripeGateway, peer: Peer) -> None:
    with pytest.raises(ValueError, match="badly formed"):
        gateway.find_intent_by_order("x' OR status:'succeeded")  # type: ignore[arg-type]
    assert peer.asked == []


def test_settings_give_one_gateway_for_a_process(settings: Settings, peer: Peer) -> None:
    settings.STRIPE_SECRET_KEY = KEY
    settings.STRIPE_API_BASE = peer.url
    assert StripeGateway.from_settings() is StripeGateway.from_settings()
    assert StripeGateway.from_settings().get_intent("pi_1").latest_charge_id == "ch_1"


CALLS: dict[str, Callable[[StripeGateway], object]] = {
    "create_intent": create,
    "get_intent": lambda gateway: gateway.get_intent("pi_1"),
    "find_intent_by_order": lambda gateway: gateway.find_intent_by_order(ORDER),
    "cancel_intent": lambda gateway: gateway.cancel_intent("pi_1"),
    "create_refund": lambda gateway: gateway.create_refund(
        intent_id="pi_1", amount_minor=1, idempotency_key="refund-1"
    ),
    "get_refund": lambda gateway: gateway.get_refund("re_1"),
    "get_dispute": lambda gateway: gateway.get_dispute("dp_1"),
    "list_disputes": lambda gateway: gateway.list_disputes("pi_1"),
    "list_refunds": lambda gateway: gateway.list_refunds("pi_1"),
    "intent_id_of_charge": lambda gateway: gateway.intent_id_of_charge("ch_1"),
    "list_movements": lambda gateway: list(
        gateway.list_movements(
            created_from=datetime(2027, 1, 1, tzinfo=UTC), created_before=datetime(2027, 1, 2, tzinfo=UTC)
        )
    ),
    "find_payment": lambda gateway: gateway.find_payment("pi_1"),
    "find_refund": lambda gateway: gateway.find_refund("re_1"),
    "list_events": lambda gateway: gateway.list_events(["x"], datetime(2027, 1, 1, tzinfo=UTC)),
    "webhook_urls": lambda gateway: gateway.webhook_urls(),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_asked_while_a_transaction_is_open(gateway: StripeGateway, peer: Peer, name: str) -> None:
    with transaction.atomic(), pytest.raises(RemoteInsideTransaction):
        CALLS[name](gateway)
    assert peer.asked == []


def test_every_public_call_is_in_the_table_above() -> None:
    public = {name for name in vars(StripeGateway) if not name.startswith("_")} - {"from_settings"}
    assert public == set(CALLS)
