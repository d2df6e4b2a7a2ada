"""While Stripe is asked, PostgreSQL holds nothing for us: looked at from Stripe's side, at each request."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import pytest
import requests
from django.conf import settings
from django.db import connection, transaction

from apps.core.context import acting_as
from apps.operations.doctor.providers import examine_providers
from apps.operations.threeway.stripe_side import Told, compare_with_stripe, stripe_look
from apps.orders.services import orders_sweep
from apps.orders.stripe_gateway import StripeGateway
from apps.webhooks.dispatch import dispatch
from apps.webhooks.missed import missed_events_read
from apps.webhooks.services import inbox_sweep
from devstack.http_messages import Request, Response
from devstack.http_server import Handler
from devstack.stripe_sandbox import StripeSandbox
from tests.databases import connect_as_superuser
from tests.factories import make_inbox_event
from tests.orders.returns_scene import Returns
from tests.orders.scene import ORDERS, Sale, dispute, fault, intent_of, refund_at_stripe, refunds_at_stripe
from tests.orders.test_late_payment import closed_and_paid, take_all

pytestmark = pytest.mark.usefixtures("database")

# No product code calls it: a dispute is read in the list of its payment's.
NEVER_CALLED = {"get_dispute"}
_HELD = """
SELECT count(DISTINCT a.pid) FROM pg_stat_activity a LEFT JOIN pg_locks l ON l.pid = a.pid
WHERE a.datname = current_database() AND a.usename = 'posx_app' AND (a.xact_start IS NOT NULL OR l.granted)
"""


@dataclass
class SeenFromStripe:
    """``asked``: operations of the sandbox; ``held``: those during which a session of ours had a transaction or a lock.

    ``called``: the gateway's methods that led there.
    """

    asked: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)


@pytest.fixture
def seen(stripe_sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[SeenFromStripe]:
    """Every request that reaches Stripe first looks at the sessions of the app login."""
    found, one_at_a_time = SeenFromStripe(), threading.Lock()
    watcher = connect_as_superuser(os.environ["DATABASE_URL"])
    answer = stripe_sandbox._api.answer

    def looked(operation: str, handler: Handler, request: Request) -> Response:
        with one_at_a_time, watcher.cursor() as cursor:
            cursor.execute(_HELD)
            found.asked.add(operation)
            if cursor.fetchone()[0]:
                found.held.add(operation)
        return answer(operation, handler, request)

    monkeypatch.setattr(stripe_sandbox._api, "answer", looked)
    for name in public_calls():
        monkeypatch.setattr(StripeGateway, name, _noted(found.called, getattr(StripeGateway, name)))
    with acting_as("task", "test"):
        yield found
    watcher.close()


def public_calls() -> set[str]:
    return {name for name in vars(StripeGateway) if not name.startswith("_")} - {"from_settings"}


def _noted(called: set[str], method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def noted(*args: Any, **names: Any) -> Any:
        called.add(method.__name__)
        return method(*args, **names)

    return noted


def buy_replay_and_cancel() -> None:
    sale = Sale("BUY")
    assert sale.post("key-1").status_code == 201
    assert sale.post("key-1")["Idempotency-Replayed"] == "true"
    order = sale.place()
    assert sale.client.post(f"{ORDERS}{order.id}/cancel/").status_code == 200


def refused_and_searched_for() -> None:
    sale = Sale("FIND")
    fault("payment_intents.create", "error_500_after")
    assert sale.post("key-1").status_code == 201


def expire_in_a_sweep() -> None:
    sale = Sale("EXP")
    order = sale.place()
    sale.end_hold(order)
    assert sale.bound(orders_sweep) == 1
    assert sale.order(order.id).status == "expired"


def pay_too_late_and_be_refunded() -> None:
    sale = Sale("LATE", supply_units=4)
    order = closed_and_paid(sale, "expired")
    take_all(sale)
    sale.process(order)
    assert sale.process(order).status == "refunded"


def refund_and_dispute_by_events() -> None:
    sale = Returns(code="BACK")
    assert sale.ask(500).status_code == 201
    sale.look()
    refund_at_stripe(sale.paid, 100)
    dispute(sale.paid)
    assert missed_events_read()[0] > 0
    # An event may name a charge alone
    charge_id = intent_of(sale.paid)["latest_charge"]
    make_inbox_event(object_id=charge_id, event_type="charge.succeeded")
    assert inbox_sweep(dispatch=dispatch)[0] > 0
    sale.bound(orders_sweep)
    assert sale.order(sale.paid.id).status == "disputed"


def compare_both_sides() -> None:
    sale = Returns(code="BOTH")
    refund_at_stripe(sale.paid, 100)
    sale.look()
    [refund] = [one for one in refunds_at_stripe() if one["payment_intent"] == sale.paid.payment_intent_id]
    sale.bound(
        lambda: compare_with_stripe(
            StripeGateway.from_settings(), Told(), [sale.paid.payment_intent_id], [refund["id"]]
        )
    )
    stripe_look(sale.paid.created_at, sale.order(sale.paid.id).created_at)


def ask_as_the_doctor_does() -> None:
    assert [one for one in examine_providers() if "stripe" in str(one)]


WAYS = [
    buy_replay_and_cancel,
    refused_and_searched_for,
    expire_in_a_sweep,
    pay_too_late_and_be_refunded,
    refund_and_dispute_by_events,
    compare_both_sides,
    ask_as_the_doctor_does,
]


def test_nothing_is_open_in_the_database_while_stripe_is_asked_and_every_call_was_made(
    seen: SeenFromStripe,
) -> None:
    for way in WAYS:
        way()
    assert seen.held == set()
    assert public_calls() - seen.called == NEVER_CALLED
    assert {"payment_intents.create", "payment_intents.cancel", "refunds.create", "events.list"} <= seen.asked


@pytest.mark.parametrize("statement", ["SELECT 1 FROM sites_site", "SELECT pg_advisory_xact_lock(1)"])
def test_control_a_transaction_around_a_request_is_seen(seen: SeenFromStripe, statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        requests.get(_intents_url(), auth=(settings.STRIPE_SECRET_KEY, ""), timeout=5)
    assert seen.held == {"payment_intents.list"}


def test_control_a_lock_of_the_session_is_seen(seen: SeenFromStripe) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(7306779)")
        requests.get(_intents_url(), auth=(settings.STRIPE_SECRET_KEY, ""), timeout=5)
        cursor.execute("SELECT pg_advisory_unlock(7306779)")
    assert seen.held == {"payment_intents.list"}


def _intents_url() -> str:
    return f"{settings.STRIPE_API_BASE}/v1/payment_intents"
