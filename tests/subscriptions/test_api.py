"""The staff endpoints, and a whole way through a real worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Role
from apps.idempotency.models import IdempotencyKey
from apps.subscriptions.services import LIMIT_A_SITE, SWEEP_TASK
from tests.clients import api_of
from tests.factories import in_site, make_member, make_site, make_subscription
from tests.http_peers import Peer
from tests.orders.scene import code, statements
from tests.payouts.scenes import TOKEN, Scene
from tests.subscriptions.scene import Receiver, believed
from tests.waiting import wait_until
from tests.workers import WorkerProcess

pytestmark = pytest.mark.usefixtures("database")
HOOKS, DELIVERIES = "/api/v1/staff/webhooks/", "/api/v1/staff/webhook-deliveries/"
PUBLIC = "https://93.184.216.34/hook"  # an address, so that no resolver is needed


class Staff:
    """An operator of a site."""

    def __init__(self, receiver: Receiver | None = None) -> None:
        self.site = receiver.site if receiver else make_site()
        self.client = api_of(make_member(self.site, Role.OPERATOR))

    def post(self, path: str, body: Any = None, key: str | None = None) -> Any:
        return self.client.post(path, body, format="json", HTTP_IDEMPOTENCY_KEY=key or str(uuid4()))

    def create(self, key: str | None = None, **fields: Any) -> Any:
        body = {"name": "Ledger", "url": PUBLIC, "event_types": ["order.paid"], **fields}
        return self.post(HOOKS, body, key)


def test_a_subscription_is_made_once_for_a_key_and_its_secret_is_stored_nowhere_in_clear() -> None:
    staff, key = Staff(), str(uuid4())

    first, again = staff.create(key), staff.create(key)

    assert first.status_code == 201 and first.json() == again.json()
    secret = staff.client.get(f"{HOOKS}{first.json()['id']}/secret/")
    assert secret.json()["secret"].startswith("whsec_") and secret["Cache-Control"] == "no-store"
    with in_site(staff.site):
        stored = IdempotencyKey.objects.get(key=key)
        assert secret.json()["secret"] not in str(vars(stored))


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://127.0.0.1/hook", "host_private"),
        ("https://localhost/hook", "host_private"),
        ("https://169.254.169.254/latest/meta-data/", "host_private"),
        ("https://[::ffff:10.0.0.1]/", "host_private"),
        ("https://0x7f000001/", "host_private"),
        ("http://93.184.216.34/", "url_not_https"),
        ("https://u:p@93.184.216.34/", "url_has_login"),
        ("https://no-such-host.invalid/", "host_unknown"),
        ("gopher://93.184.216.34/", "url_malformed"),
    ],
)
def test_addresses_that_are_refused(url: str, fault: str) -> None:
    staff = Staff()

    answer = staff.create(url=url)

    assert code(answer) == (400, "invalid")
    assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [("url", fault)]
    made = staff.create().json()
    assert code(staff.client.patch(f"{HOOKS}{made['id']}/", {"url": url}, format="json"))[0] == 400


def test_unknown_event_types_and_taken_names_are_refused() -> None:
    staff = Staff()
    staff.create()

    assert code(staff.create()) == (409, "subscription_name_taken")
    assert code(staff.create(name="Other", event_types=["order.lost"])) == (400, "invalid")
    assert code(staff.create(name="Other", event_types=[])) == (400, "invalid")


def test_a_site_has_a_bounded_number_of_them() -> None:
    staff = Staff()
    for number in range(LIMIT_A_SITE):
        make_subscription(staff.site, name=f"R{number}")

    assert code(staff.create()) == (409, "subscription_limit")


def test_switched_off_and_on(peer: Peer) -> None:
    receiver = Receiver(peer)
    staff, path = Staff(receiver), f"{HOOKS}{receiver.subscription.id}/"
    waiting = receiver.happens()

    assert staff.client.patch(path, {"is_active": False}, format="json").json()["is_active"] is False
    receiver.round()
    assert receiver.row(waiting).status == "failed"
    staff.client.patch(path, {"is_active": True}, format="json")
    answer = staff.post(f"{path}resend-failed/")
    receiver.round()

    assert (answer.status_code, answer.json()) == (202, {"deliveries": 1})
    assert receiver.row(waiting).status == "delivered"


def test_a_delivered_message_is_sent_again_under_its_id(peer: Peer) -> None:
    receiver = Receiver(peer)
    staff, delivery = Staff(receiver), receiver.happens()
    receiver.round()

    assert staff.post(f"{DELIVERIES}{delivery.id}/resend/").status_code == 202
    receiver.round()

    assert len({asked.headers["webhook-id"] for asked in peer.asked}) == 1 and len(peer.asked) == 2
    log = staff.client.get(f"{DELIVERIES}{delivery.id}/").json()
    assert [each["http_status"] for each in log["tries"]] == [204, 204]


def test_the_list_is_filtered_and_costs_as_many_statements_for_any_length(peer: Peer) -> None:
    receiver = Receiver(peer)
    staff = Staff(receiver)
    delivered = receiver.happens()
    receiver.round()
    waiting = [receiver.happens() for _ in range(30)]

    with CaptureQueriesContext(connection) as asked:
        page = staff.client.get(DELIVERIES, {"status": "pending", "limit": "10"}).json()

    assert [each["id"] for each in page["results"]] == [str(each.id) for each in waiting[:-11:-1]]
    assert page["next"]
    assert len(statements(asked)) <= 4
    only = staff.client.get(
        DELIVERIES, {"subscription_id": str(receiver.subscription.id), "status": "delivered"}
    )
    assert [each["id"] for each in only.json()["results"]] == [str(delivered.id)]


def test_rotating_keeps_the_old_secret_for_a_day(peer: Peer) -> None:
    receiver = Receiver(peer)
    staff, old = Staff(receiver), receiver.secret()

    answer = staff.post(f"{HOOKS}{receiver.subscription.id}/rotate-secret/").json()
    receiver.happens()
    receiver.round()

    assert answer["secret_version"] == 2 and answer["old_secret_until"]
    believed(peer.asked[0], old)
    believed(peer.asked[0], receiver.secret())


@pytest.fixture
def worker_that_may_reach_this_machine() -> Iterator[WorkerProcess]:
    worker = WorkerProcess("receivers", environment={"WEBHOOK_PRIVATE_HOSTS": "127.0.0.1"})
    yield worker.start()
    worker.stop()


def test_a_change_is_told_by_a_real_worker(
    peer: Peer, worker_that_may_reach_this_machine: WorkerProcess
) -> None:
    scene = Scene()
    receiver = Receiver(peer, site=scene.site, event_types=["release.unlocked"])
    (release_id,) = scene.unlocked(scene.buyer(), TOKEN)

    current_app.send_task(SWEEP_TASK)
    wait_until(lambda: len(peer.asked) == 1, 15, "the receiver was told")

    message = believed(peer.asked[0], receiver.secret())
    assert (message["type"], message["data"]["id"]) == ("release.unlocked", str(release_id))


def test_a_test_message_is_sent_whatever_was_subscribed_to(peer: Peer) -> None:
    receiver = Receiver(peer, event_types=["order.paid"])
    staff = Staff(receiver)

    answer = staff.post(f"{HOOKS}{receiver.subscription.id}/test/")
    receiver.round()

    assert answer.status_code == 202 and answer.json()["event_type"] == "webhook.test"
    assert believed(peer.asked[0], receiver.secret())["type"] == "webhook.test"
