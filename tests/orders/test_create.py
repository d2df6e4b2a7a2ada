"""POST /api/v1/orders/: an order, its reservation and its PaymentIntent, once for each key."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from apps.idempotency.models import IdempotencyKey
from apps.orders.models import Order
from apps.orders.serializers import PlacedOrderSerializer
from tests.factories import in_site
from tests.http_peers import Answer, running_peer
from tests.orders.scene import Sale, code, fault, intents, statements

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def test_an_order_holds_units_and_can_be_paid() -> None:
    sale = Sale()

    answer = sale.post(quantity_units=3)

    placed = answer.json()
    assert answer.status_code == 201
    assert placed.keys() == set(PlacedOrderSerializer().fields)
    assert (placed["status"], placed["amount_minor"], placed["currency"]) == ("pending", 3000, "USD")
    assert (placed["tokens"], placed["tokens_base_units"]) == ("150", str(150 * 10**18))
    assert sale.units() == (3, 0, 3, 0)
    (intent,) = intents()
    assert (intent["id"], intent["client_secret"]) == (placed["payment_intent_id"], placed["client_secret"])
    assert (intent["amount"], intent["currency"]) == (3000, "usd")
    assert intent["metadata"] == {"order_id": placed["id"], "site_id": str(sale.site.id)}


def test_the_hold_and_the_first_look_have_their_times() -> None:
    sale, before = Sale(), timezone.now()
    order = sale.place()
    hold = timedelta(minutes=settings.ORDER_HOLD_MINUTES)
    assert timedelta() <= order.expires_at - before - hold < timedelta(seconds=10)
    assert order.next_check_at is not None
    assert timedelta() <= order.next_check_at - before - timedelta(minutes=2) < timedelta(seconds=10)


def test_the_order_keeps_its_terms_when_the_tier_changes() -> None:
    sale = Sale()
    order = sale.place()
    with in_site(sale.site):
        sale.tier.price_minor = 5
        sale.tier.save(update_fields=["price_minor"])
    assert sale.order(order.id).amount_minor == 2000
    assert order.policy_id == sale.policy.id


def test_how_many_statements_an_order_takes() -> None:
    sale = Sale()
    with CaptureQueriesContext(connection) as asked:
        assert sale.post().status_code == 201
    # The site. The caller: settings, member. First: settings, key, wallet with site, tier, buyer's units, order.
    # Second: settings, intent id, the order as shown, key.
    assert len(statements(asked)) == 1 + 2 + 6 + 4


def test_the_same_key_and_body_answer_the_same_order() -> None:
    sale = Sale()
    first = sale.post("key-1")

    again = sale.post("key-1")

    assert (again.status_code, again.json()) == (201, first.json())
    assert again["Idempotency-Replayed"] == "true" and "Idempotency-Replayed" not in first
    assert sale.units() == (2, 0, 2, 0) and len(intents()) == 1


def test_the_client_secret_is_never_stored() -> None:
    sale = Sale()
    secret = sale.post("key-1").json()["client_secret"]
    with in_site(sale.site):
        row = IdempotencyKey.objects.get()
    assert row.response_status == 201
    assert secret not in str(row.response_body) and "client_secret" not in str(row.response_body)


def test_another_body_under_the_same_key_is_refused() -> None:
    sale = Sale()
    sale.post("key-1")
    assert code(sale.post("key-1", quantity_units=1)) == (422, "idempotency_key_reused")


def test_a_refused_order_leaves_nothing_and_frees_its_key() -> None:
    sale = Sale(supply_units=1)
    assert code(sale.post("key-1")) == (409, "sold_out")
    with in_site(sale.site):
        assert not Order.objects.exists() and not IdempotencyKey.objects.exists()
        sale.tier.supply_units = 2
        sale.tier.save(update_fields=["supply_units"])
    assert sale.post("key-1").status_code == 201


@pytest.mark.parametrize("kind", ["accept_then_hang", "hang_before", "rate_limit"])
def test_an_unknown_outcome_is_503_and_the_repeat_finds_out(kind: str) -> None:
    sale = Sale()
    fault("payment_intents.create", kind, seconds=0.05)

    lost = sale.post("key-1")
    again = sale.post("key-1")

    assert code(lost) == (503, "payment_provider_unavailable")
    assert int(lost["Retry-After"]) > 0
    assert again.status_code == 201 and "Idempotency-Replayed" not in again
    assert sale.units() == (2, 0, 2, 0) and len(intents()) == 1
    with in_site(sale.site):
        assert Order.objects.get().payment_intent_id == again.json()["payment_intent_id"]


def test_a_request_that_died_after_its_first_commit_is_taken_up_again() -> None:
    sale = Sale()
    fault("payment_intents.create", "accept_then_hang", seconds=0.05)
    sale.post("key-1")
    # A crash leaves the lease running; nobody released it.
    with in_site(sale.site):
        IdempotencyKey.objects.update(lease_until=timezone.now() + timedelta(seconds=30))
    assert code(sale.post("key-1")) == (409, "idempotency_in_progress")
    with in_site(sale.site):
        IdempotencyKey.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    again = sale.post("key-1")

    assert again.status_code == 201
    with in_site(sale.site):
        assert str(Order.objects.get().id) == again.json()["id"]


def test_a_replay_without_stripe_is_503() -> None:
    sale = Sale()
    sale.post("key-1")
    fault("payment_intents.retrieve", "hang_before", seconds=0.05)
    assert code(sale.post("key-1")) == (503, "payment_provider_unavailable")
    assert sale.post("key-1").status_code == 201


def test_a_refusal_by_stripe_closes_the_order_and_is_stored(settings: Settings) -> None:
    sale = Sale()
    error = {"type": "invalid_request_error", "code": "amount_too_small", "message": "At least 0.50 usd."}
    with running_peer() as peer:
        peer.always(Answer(400, {"error": error}))
        settings.STRIPE_API_BASE = peer.url
        answer = sale.post("key-1")

    assert code(answer) == (422, "payment_refused")
    with in_site(sale.site):
        order = Order.objects.get()
    assert (order.status, order.payment_intent_id, order.next_check_at) == ("failed", "", None)
    assert sale.units() == (0, 0, 0, 0)
    again = sale.post("key-1")
    assert (again.status_code, again.json()) == (422, answer.json())
    assert again["Content-Type"] == "application/problem+json" and again["Idempotency-Replayed"] == "true"


def test_a_refusal_of_our_own_key_is_not_the_orders_fault(settings: Settings) -> None:
    sale = Sale()
    settings.STRIPE_SECRET_KEY = "sk_test_another"
    assert code(sale.post("key-1")) == (503, "payment_provider_unavailable")
    with in_site(sale.site):
        assert Order.objects.get().status == "pending"


def test_a_currency_off_the_sites_list_is_refused() -> None:
    sale = Sale(currency="CHF")
    assert code(sale.post()) == (409, "currency_not_accepted")
    assert sale.units() == (0, 0, 0, 0)


def test_more_than_stripe_can_charge_is_refused_before_stripe() -> None:
    sale = Sale(price_minor=99_999_999, supply_units=10)
    assert code(sale.post(quantity_units=2)) == (422, "order_too_large")
    assert sale.units() == (0, 0, 0, 0) and intents() == []


def test_more_tokens_than_256_bits_are_refused() -> None:
    sale = Sale(tokens_per_unit_base_units=2**256 - 1)
    assert code(sale.post(quantity_units=2)) == (422, "order_too_large")


def test_times_are_utc() -> None:
    assert datetime.fromisoformat(Sale().post(str(uuid4())).json()["expires_at"]).utcoffset() == timedelta()
