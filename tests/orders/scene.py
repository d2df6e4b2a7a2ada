"""A site that sells, a buyer who buys, and a Stripe that says what the test wants."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import requests
from django.conf import settings
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Membership
from apps.core.context import acting_as
from apps.orders.models import Order
from apps.orders.services import order_process
from apps.sites.scope import bind_site
from apps.tiers.models import BuyerUnits, Tier
from tests.clients import api_of
from tests.factories import in_site, make_asset, make_member, make_policy, make_site, make_tier, make_wallet
from tests.waiting import wait_until

ORDERS = "/api/v1/orders/"


class Sale:
    """One site with one open tier (100 units of 10.00 USD, 50 tokens each) and one buyer with a wallet."""

    def __init__(self, code: str = "NA", **tier: Any) -> None:
        self.site = make_site(code)
        self.asset = make_asset(self.site)
        self.policy = make_policy(self.site)
        self.tier = make_tier(self.site, asset=self.asset, policy=self.policy, **tier)
        self.buyer = make_member(self.site)
        self.wallet = make_wallet(self.buyer)
        self.client = api_of(self.buyer)

    def body(self, **fields: Any) -> dict[str, Any]:
        """A good request, and what the test changes in it."""
        good = {"tier_id": str(self.tier.id), "quantity_units": 2, "wallet_id": str(self.wallet.id)}
        return {**good, **fields}

    def post(self, key: str | None = None, **fields: Any) -> Any:
        """POST an order; a new key unless one is given."""
        return self.client.post(ORDERS, self.body(**fields), HTTP_IDEMPOTENCY_KEY=key or str(uuid4()))

    def place(self, **fields: Any) -> Order:
        """An order that waits for its payment."""
        answer = self.post(**fields)
        assert answer.status_code == 201, answer.content
        return self.order(answer.json()["id"])

    def order(self, order_id: UUID | str) -> Order:
        with in_site(self.site):
            return Order.objects.get(id=order_id)

    def orders(self) -> list[Order]:
        with in_site(self.site):
            return list(Order.objects.order_by("id"))

    def units(self, buyer: Membership | None = None) -> tuple[int, int, int, int]:
        """(reserved, sold) of the tier, then of the buyer."""
        with in_site(self.site):
            tier = Tier.objects.get(id=self.tier.id)
            mine = BuyerUnits.objects.filter(tier=tier, buyer=buyer or self.buyer).first()
        held = (mine.reserved_units, mine.sold_units) if mine else (0, 0)
        return tier.reserved_units, tier.sold_units, *held

    def change(self, order: Order, **fields: Any) -> None:
        with in_site(self.site):
            assert Order.objects.filter(id=order.id).update(**fields) == 1

    def end_hold(self, order: Order) -> None:
        """The order's time to pay is over, and a worker is to look at it."""
        past = timezone.now() - timedelta(seconds=1)
        self.change(order, expires_at=past, next_check_at=past)

    def process(self, order: Order) -> Order:
        """What the task does; returns the order afterwards."""
        with acting_as("task", "apps.orders.tasks.process_order"):
            order_process(site_id=self.site.id, order_id=order.id)
        return self.order(order.id)

    def bound(self, call: Callable[[], Any]) -> Any:
        """Call something as a task of this site."""
        with acting_as("task", "test"), bind_site(self.site.id):
            return call()


def stripe(method: str, path: str, **data: Any) -> dict[str, Any]:
    """Ask the Stripe sandbox; its answer, refusals too."""
    answer = requests.request(
        method,
        f"{settings.STRIPE_API_BASE}{path}",
        data=data,
        auth=(settings.STRIPE_SECRET_KEY, ""),
        timeout=10,
    )
    return dict(answer.json())


def pay(order: Order, payment_method: str = "pm_card_visa") -> dict[str, Any]:
    """What the buyer's browser does with the client secret."""
    return stripe(
        "POST", f"/v1/payment_intents/{order.payment_intent_id}/confirm", payment_method=payment_method
    )


def settle(order: Order, outcome: str) -> None:
    """End a payment that Stripe calls processing."""
    url = f"{settings.STRIPE_API_BASE}/_sandbox/payment_intents/{order.payment_intent_id}/settle"
    requests.post(url, json={"outcome": outcome}, timeout=5).raise_for_status()


def dispute(order: Order, outcome: str | None = None) -> dict[str, Any]:
    """The buyer's bank opens a dispute, or with an outcome closes it."""
    url = f"{settings.STRIPE_API_BASE}/_sandbox/payment_intents/{order.payment_intent_id}/dispute"
    answer = requests.post(url, json={"outcome": outcome}, timeout=5)
    answer.raise_for_status()
    return dict(answer.json())


def refund_at_stripe(order: Order, amount_minor: int) -> dict[str, Any]:
    """What staff do in Stripe's dashboard."""
    return stripe("POST", "/v1/refunds", payment_intent=order.payment_intent_id, amount=str(amount_minor))


def fail_refund(refund: dict[str, Any]) -> None:
    """The buyer's bank sends a refund back."""
    url = f"{settings.STRIPE_API_BASE}/_sandbox/refunds/{refund['id']}/fail"
    requests.post(url, timeout=5).raise_for_status()


def refunds_at_stripe() -> list[dict[str, Any]]:
    """Every refund that Stripe holds."""
    return list(stripe("GET", "/v1/refunds")["data"])


def fault(operation: str, kind: str, **fields: Any) -> None:
    """Order a fault of the sandbox for the next call of an operation."""
    spec = {"operation": operation, "fault": kind, **fields}
    requests.post(f"{settings.STRIPE_API_BASE}/_sandbox/faults", json=spec, timeout=5).raise_for_status()


def wait_for_fault() -> None:
    """Wait until Stripe has met the fault that was ordered: the call that takes it is under way."""
    url = f"{settings.STRIPE_API_BASE}/_sandbox/faults"
    wait_until(lambda: not requests.get(url, timeout=5).json(), 5, "a call takes the fault")


def intents() -> list[dict[str, Any]]:
    """Every PaymentIntent that Stripe holds."""
    return list(stripe("GET", "/v1/payment_intents")["data"])


def intent_of(order: Order) -> dict[str, Any]:
    return stripe("GET", f"/v1/payment_intents/{order.payment_intent_id}")


def code(answer: Any) -> tuple[int, str]:
    """Status and problem code; the body must be a problem document."""
    assert answer["Content-Type"] == "application/problem+json", answer.content
    document = answer.json()
    assert document["status"] == answer.status_code and document["request_id"]
    return answer.status_code, document["code"]


def statements(asked: CaptureQueriesContext) -> list[str]:
    """The SQL that was captured, the transactions' own words aside."""
    return [query["sql"] for query in asked if query["sql"] not in ("BEGIN", "COMMIT", "ROLLBACK")]


class Parallel:
    """Calls that run at once in threads of their own; `results` are answers or exceptions, in order."""

    def __init__(self, *calls: Callable[[], Any]) -> None:
        self._results: list[Any] = [None] * len(calls)
        self._threads = [
            threading.Thread(target=self._run, args=(number, call), daemon=True)
            for number, call in enumerate(calls)
        ]
        for thread in self._threads:
            thread.start()

    def results(self) -> list[Any]:
        for thread in self._threads:
            thread.join(timeout=20)
            assert not thread.is_alive(), "a call hangs"
        return self._results

    def _run(self, number: int, call: Callable[[], Any]) -> None:
        try:
            self._results[number] = call()
        except Exception as error:
            # Safe: the test looks at it.
            self._results[number] = error
        finally:
            connections.close_all()


@contextmanager
def row_held(order: Order) -> Iterator[None]:
    """Somebody else holds the order's row, so that whoever needs it queues behind."""
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM orders_order WHERE id = %s FOR UPDATE", [str(order.id)])
        yield
        connection.rollback()


def wait_for_blocked(admin_connection: Any, sessions: int) -> None:
    """Wait until so many sessions of this database wait for a row lock."""

    def blocked() -> bool:
        with admin_connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool(cursor.fetchone()[0] >= sessions)

    wait_until(blocked, 10, f"{sessions} sessions wait for a lock")
