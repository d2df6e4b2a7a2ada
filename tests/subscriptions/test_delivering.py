"""Deliveries to a real receiver: once it has accepted, after it has failed, and while it is away."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from apps.core.remote import RemoteInsideTransaction
from apps.subscriptions import delivering, sender
from apps.subscriptions.delivering import LIFE_S, WAITS_S
from apps.subscriptions.models import Subscription
from apps.subscriptions.sealing import is_sealed_by_the_current_key
from apps.subscriptions.sender import send
from apps.subscriptions.services import secret_rotate
from tests.factories import in_site
from tests.http_peers import Answer, Asked, Peer, running_peer
from tests.orders.scene import Parallel, statements
from tests.subscriptions.scene import ACCEPTED, Receiver, believed

pytestmark = pytest.mark.usefixtures("database")


def test_a_message_arrives_signed_and_once(peer: Peer) -> None:
    receiver = Receiver(peer)
    delivery = receiver.happens("order.paid", id="o1")

    assert receiver.round() == 1
    receiver.make_due()
    assert receiver.round() == 0

    (asked,) = peer.asked
    message = believed(asked, receiver.secret())
    assert (message["type"], message["data"]) == ("order.paid", {"id": "o1"})
    assert asked.headers["webhook-id"] == str(delivery.event_id)
    assert abs(int(asked.headers["webhook-timestamp"]) - timezone.now().timestamp()) < 60
    assert asked.headers["content-type"] == "application/json"
    assert receiver.row(delivery).status == "delivered"
    assert receiver.tries(delivery) == [(ACCEPTED, "")]


def test_after_a_failure_the_same_bytes_come_again_later(peer: Peer) -> None:
    receiver = Receiver(peer)
    delivery = receiver.happens()
    peer.always(Answer(500))
    receiver.round()

    waits = receiver.row(delivery).next_attempt_at
    assert waits is not None and timedelta(seconds=4) < waits - timezone.now() < timedelta(seconds=7)
    peer.always(Answer(ACCEPTED))
    receiver.make_due()
    receiver.round()

    first, second = peer.asked
    assert first.body == second.body and first.headers["webhook-id"] == second.headers["webhook-id"]
    assert receiver.tries(delivery) == [(500, "http_500"), (ACCEPTED, "")]
    assert receiver.now().failures_in_a_row == 0


def test_waits_grow_by_the_recommended_schedule_and_then_it_is_given_up(peer: Peer) -> None:
    receiver = Receiver(peer)
    delivery = receiver.happens()
    peer.always(Answer(400))
    waited = []
    for _ in range(len(WAITS_S)):
        receiver.round()
        next_at = receiver.row(delivery).next_attempt_at
        assert next_at is not None
        waited.append((next_at - timezone.now()).total_seconds())
        receiver.make_due()
    receiver.round()

    assert all(wait * 0.99 < found < wait * 1.2 + 1 for wait, found in zip(WAITS_S, waited, strict=True))
    assert receiver.row(delivery).status == "failed"
    assert len(receiver.tries(delivery)) == len(WAITS_S) + 1
    receiver.make_due()
    assert receiver.round() == 0


def test_retry_after_is_honoured(peer: Peer) -> None:
    receiver = Receiver(peer)
    delivery = receiver.happens()
    peer.always(Answer(429, headers={"Retry-After": "120"}))
    receiver.round()

    next_at, quiet_until = receiver.row(delivery).next_attempt_at, receiver.now().quiet_until
    assert next_at is not None and next_at - timezone.now() > timedelta(seconds=115)
    assert quiet_until is not None and quiet_until - timezone.now() > timedelta(seconds=115)


def test_a_receiver_that_is_gone_is_switched_off(peer: Peer) -> None:
    receiver = Receiver(peer)
    gone, waiting = receiver.happens(), receiver.happens()
    peer.always(Answer(410))
    receiver.round()
    receiver.round()

    assert (receiver.now().is_active, receiver.now().stopped_code) == (False, "gone")
    assert {receiver.row(gone).status, receiver.row(waiting).status} == {"failed"}
    assert len(peer.asked) == 1


def test_redirects_are_not_followed(peer: Peer) -> None:
    receiver = Receiver(peer)
    delivery = receiver.happens()
    peer.always(Answer(307, headers={"Location": f"{peer.url}/elsewhere"}))
    receiver.round()

    assert [asked.path for asked in peer.asked] == ["/hook"]
    assert receiver.tries(delivery) == [(307, "redirect_refused")]


@pytest.mark.parametrize("kind", ["hang", "drop"])
def test_a_receiver_that_never_answers_costs_a_bounded_time(
    kind: str, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "TOTAL_TIMEOUT_S", 0.3)
    receiver = Receiver(peer)
    delivery = receiver.happens()
    peer.always(Answer(hang=kind == "hang", drop=kind == "drop"))
    receiver.round()

    expected = "timeout" if kind == "hang" else "connection_failed"
    assert receiver.tries(delivery) == [(None, expected)]
    assert receiver.row(delivery).status == "pending"


def test_while_one_receiver_fails_its_others_wait_and_other_receivers_do_not(peer: Peer) -> None:
    failing = Receiver(peer)
    waiting = [failing.happens() for _ in range(3)]
    peer.always(Answer(503))
    with running_peer() as healthy:
        healthy.always(Answer(ACCEPTED))
        other = Receiver(healthy, site=failing.site, name="Other")
        told = other.happens()
        failing.round()

    assert len(peer.asked) == 1
    assert other.row(told).status == "delivered"
    failing.round()
    quiet_until = failing.now().quiet_until
    dues = [failing.row(each).next_attempt_at for each in waiting]
    assert quiet_until is not None and all(due is not None and due >= quiet_until for due in dues)
    assert [failing.row(each).attempts for each in waiting].count(0) == 2


def test_what_a_failing_receiver_left_waiting_for_days_is_given_up(peer: Peer) -> None:
    receiver = Receiver(peer)
    old = receiver.happens()
    receiver.make_due(asked_at=timezone.now() - timedelta(seconds=LIFE_S + 60))
    with in_site(receiver.site):
        Subscription.objects.update(quiet_until=timezone.now() + timedelta(minutes=5))
    receiver.round()

    assert receiver.row(old).status == "failed" and not peer.asked


def test_two_workers_send_a_message_once(peer: Peer) -> None:
    receiver = Receiver(peer)
    deliveries = [receiver.happens() for _ in range(6)]
    Parallel(*[receiver.round] * 4).results()

    assert sorted(asked.headers["webhook-id"] for asked in peer.asked) == sorted(
        str(each.event_id) for each in deliveries
    )


def test_a_worker_that_was_overtaken_changes_nothing(peer: Peer) -> None:
    receiver = Receiver(peer)
    delivery = receiver.happens()

    def slow(_asked: Asked) -> Answer:
        # The lease ran out and another worker delivers while this request is under way.
        peer.always(Answer(ACCEPTED))
        receiver.make_due()
        Parallel(receiver.round).results()
        return Answer(500)

    peer.answer = slow
    receiver.round()

    assert receiver.row(delivery).status == "delivered"
    assert receiver.now().failures_in_a_row == 0
    assert sorted(receiver.tries(delivery), key=str) == [(204, ""), (500, "http_500")]


def test_a_message_whose_sender_died_comes_again_under_its_id(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver(peer)
    delivery = receiver.happens()
    with monkeypatch.context() as dying:
        dying.setattr(delivering, "_record", lambda *_args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            receiver.round()
    assert receiver.row(delivery).status == "pending"
    receiver.make_due()
    receiver.round()

    first, second = (asked.headers["webhook-id"] for asked in peer.asked)
    assert first == second and receiver.row(delivery).status == "delivered"


def test_during_a_rotation_both_secrets_are_believed(peer: Peer) -> None:
    receiver = Receiver(peer)
    old = receiver.secret()
    with receiver.working():
        secret_rotate(subscription_id=receiver.subscription.id)
    receiver.happens()
    receiver.round()

    assert receiver.secret() != old
    (asked,) = peer.asked
    assert believed(asked, old) == believed(asked, receiver.secret())


def test_a_secret_sealed_by_an_older_key_is_sealed_anew(peer: Peer, settings: Settings) -> None:
    receiver = Receiver(peer)
    secret = receiver.secret()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-0123456789abcdefghijklmnopqrstuvwxyz-ABC"
    receiver.happens()
    receiver.round()

    believed(peer.asked[0], secret)
    assert is_sealed_by_the_current_key(receiver.now().secret_sealed)
    settings.SECRET_KEY_FALLBACKS = []
    assert receiver.secret() == secret


def test_an_unreadable_secret_sends_nothing(peer: Peer, settings: Settings) -> None:
    receiver = Receiver(peer)
    delivery = receiver.happens()
    settings.SECRET_KEY = "another-secret-key-0123456789abcdefghijklmnopqrstuvwxyz-ABC"
    receiver.round()

    assert not peer.asked and receiver.tries(delivery) == [(None, "secret_unreadable")]


def test_a_host_that_became_private_is_not_reached(peer: Peer, settings: Settings) -> None:
    receiver = Receiver(peer)
    delivery = receiver.happens()
    settings.WEBHOOK_PRIVATE_HOSTS = frozenset()
    receiver.round()

    assert not peer.asked and receiver.tries(delivery) == [(None, "host_private")]


def test_the_address_that_was_checked_is_the_one_that_is_used(
    peer: Peer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that changes its address between the look and the connection (DNS rebinding) gains nothing."""
    asked: list[str] = []

    def changing(hostname: str, port: int) -> list[str]:
        asked.append(hostname)
        return ["127.0.0.1"]

    settings.WEBHOOK_PRIVATE_HOSTS = frozenset({"rebind.example"})
    monkeypatch.setattr(sender, "public_addresses", changing)
    port = peer.url.rsplit(":", 1)[1]

    # No resolver knows the name: a second look-up would fail.
    sent = send(url=f"http://rebind.example:{port}/", body=b"{}", headers={})

    assert sent.http_status == ACCEPTED and asked == ["rebind.example"]
    assert peer.asked[0].headers["host"] == f"rebind.example:{port}"


def test_nothing_is_sent_inside_a_transaction(peer: Peer) -> None:
    with transaction.atomic(), pytest.raises(RemoteInsideTransaction):
        send(url=peer.url, body=b"{}", headers={})


def test_a_round_without_work_is_four_statements(peer: Peer) -> None:
    receiver = Receiver(peer)

    with CaptureQueriesContext(connection) as asked:
        receiver.round()

    # Two scopes: each is set, one puts off what may not be sent, one finds nothing due.
    assert len(statements(asked)) == 4


def test_another_sites_deliveries_are_not_taken(peer: Peer) -> None:
    here, there = Receiver(peer, "NA"), Receiver(peer, "ASIA")
    delivery = there.happens()
    here.round()

    assert not peer.asked and there.row(delivery).attempts == 0
