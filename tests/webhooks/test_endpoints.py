"""POST /api/v1/webhooks/{stripe,fireblocks}/: what is let into the inbox, and what is answered."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from celery import current_app
from django.db import connection, connections
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.core import doorbells
from apps.webhooks.models import InboxEvent
from tests.http_peers import Answer, Peer, jwk, public_pem, rsa_key, running_peer
from tests.webhooks.deliveries import (
    FIREBLOCKS,
    FIREBLOCKS_KEY,
    KEY_ID,
    STRIPE,
    fireblocks_event,
    post,
    post_fireblocks,
    post_fireblocks_v1,
    post_stripe,
    stripe_event,
)

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def publisher(settings: Settings) -> Iterator[Peer]:
    with running_peer() as peer:
        peer.always(Answer(body={"keys": [jwk(FIREBLOCKS_KEY, KEY_ID)]}))
        settings.FIREBLOCKS_JWKS_URL = f"{peer.url}/jwks.json"
        yield peer


@pytest.fixture
def queue(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def code_of(answer: Any) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_a_signed_stripe_event_is_written_down_and_rung_for(
    queue: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "posx.webhooks"):
        answer = post_stripe(stripe_event())

    assert (answer.status_code, answer.json()) == (200, {"received": True})
    event = InboxEvent.objects.get()
    assert (event.provider, event.event_id, event.event_type, event.object_id, event.status) == (
        "stripe",
        "evt_1",
        "payment_intent.succeeded",
        "pi_1",
        "received",
    )
    rung = json.loads(queue.lindex("celery", 0) or b"{}")
    assert rung["headers"]["task"] == "apps.webhooks.tasks.handle_event"
    assert rung["headers"]["argsrepr"] == repr((str(event.id),))
    assert "Received Stripe webhook: payment_intent.succeeded evt_1" in caplog.text


def test_a_replay_is_answered_alike_and_kept_once(queue: redis.Redis) -> None:
    answers = [post_stripe(stripe_event()) for _ in range(3)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"received": True})] * 3
    assert (InboxEvent.objects.count(), queue.llen("celery")) == (1, 1)


def test_deliveries_at_once_are_kept_once() -> None:
    def deliver(_: int) -> int:
        try:
            return int(post_stripe(stripe_event()).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(deliver, range(8)))

    assert codes == [200] * 8
    assert InboxEvent.objects.count() == 1


def test_either_secret_of_a_rotation_is_accepted() -> None:
    assert post_stripe(stripe_event(), secret="whsec_test_previous").status_code == 200


def test_events_of_two_providers_may_share_an_id(publisher: Peer) -> None:
    assert post_stripe(stripe_event(id="same")).status_code == 200
    assert post_fireblocks(fireblocks_event(id="same")).status_code == 200

    assert InboxEvent.objects.count() == 2


def test_a_wrong_signature_leaves_nothing(publisher: Peer) -> None:
    refused = [
        post_stripe(stripe_event(), secret="whsec_wrong"),
        post(STRIPE, b"{}"),
        post_fireblocks(fireblocks_event(), key=rsa_key("thief")),
        post(FIREBLOCKS, b"{}"),
    ]

    assert [code_of(answer) for answer in refused] == [(400, "bad_signature")] * 4
    assert not InboxEvent.objects.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        json.dumps(stripe_event(id="evt_\x00")).encode(),
        json.dumps(stripe_event(id="e" * 201)).encode(),
        json.dumps(stripe_event(type="t" * 121)).encode(),
        json.dumps(stripe_event({"id": "pi_" + "x" * 300})).encode(),
        json.dumps(stripe_event({"id": 7})).encode(),
        json.dumps(stripe_event(id="evt_ü")).encode(),
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(raw: bytes) -> None:
    assert code_of(post_stripe(raw)) == (400, "unreadable_event")
    assert not InboxEvent.objects.exists()


@pytest.mark.parametrize("data", [None, [], {"object": None}, {"object": []}, {}])
def test_an_event_about_nothing_is_kept_for_the_worker_to_ignore(data: Any) -> None:
    assert post_stripe(stripe_event(data=data)).status_code == 200
    assert InboxEvent.objects.get().object_id == ""


@pytest.mark.parametrize("size", [512 * 1024 + 1, 2 * 1024 * 1024])
def test_an_oversized_body_is_refused_unread(size: int) -> None:
    assert code_of(post_stripe(b" " * size)) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("subject", "object_id"),
    [
        ({"id": "ch_1", "object": "charge", "payment_intent": "pi_9"}, "pi_9"),
        ({"id": "re_1", "object": "refund", "payment_intent": None, "charge": "ch_2"}, "ch_2"),
        ({"id": "dp_1", "object": "dispute", "payment_intent": {"id": "pi_8"}}, "pi_8"),
    ],
)
def test_the_payment_intent_is_what_is_remembered(subject: dict[str, Any], object_id: str) -> None:
    post_stripe(stripe_event(subject))

    assert InboxEvent.objects.get().object_id == object_id


def test_stripe_may_ask_for_another_content_type() -> None:
    answer = post_stripe(stripe_event(), HTTP_ACCEPT="application/xml")

    assert (answer.status_code, answer.json()) == (200, {"received": True})


def test_a_fireblocks_event_is_written_down(publisher: Peer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "posx.webhooks"):
        assert post_fireblocks(fireblocks_event()).status_code == 200

    event = InboxEvent.objects.get()
    assert (event.provider, event.event_id, event.object_id) == ("fireblocks", "fb-evt-1", "tx-1")
    assert "Received Fireblocks webhook: transaction.status.updated fb-evt-1" in caplog.text


def test_events_of_v1_are_told_apart_by_their_body(settings: Settings) -> None:
    settings.FIREBLOCKS_JWKS_URL = ""
    settings.FIREBLOCKS_WEBHOOK_PUBLIC_KEYS = [public_pem(FIREBLOCKS_KEY)]
    events = [
        {"type": "TRANSACTION_STATUS_UPDATED", "timestamp": stamp, "data": {"id": "tx-1", "status": status}}
        for stamp, status in ((1, "BROADCASTING"), (2, "COMPLETED"), (2, "COMPLETED"))
    ]

    assert [post_fireblocks_v1(event).status_code for event in events] == [200] * 3

    assert list(InboxEvent.objects.values_list("object_id", flat=True)) == ["tx-1", "tx-1"]
    assert all(row.event_id == row.payload_sha256 for row in InboxEvent.objects.all())


def test_keys_that_cannot_be_fetched_ask_for_another_try(publisher: Peer) -> None:
    publisher.always(Answer(502))

    answer = post_fireblocks(fireblocks_event())

    assert code_of(answer) == (503, "webhook_keys_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_without_redis_the_event_is_still_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorbells, "_bell", doorbells._Bell())
    monkeypatch.setitem(current_app.conf, "broker_url", "redis://127.0.0.1:1/0")

    assert post_stripe(stripe_event()).status_code == 200
    assert InboxEvent.objects.count() == 1


def test_without_the_database_the_provider_is_asked_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")

    answer = post_stripe(stripe_event())

    assert code_of(answer) == (503, "database_unavailable")
    assert answer.headers["Retry-After"]


def test_other_methods_are_refused() -> None:
    assert APIClient().get(STRIPE).status_code == 405
