"""Money that comes after its order was closed: fulfilled while stock allows, else given back."""

from __future__ import annotations

import pytest

from apps.orders.models import Order
from apps.tiers.services import tier_give_back
from apps.vesting.models import Allocation
from tests.clients import api_of
from tests.factories import in_site, make_member, make_wallet
from tests.orders.scene import ORDERS, Sale, fault, pay, settle, stripe

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def closed_and_paid(sale: Sale, status: str, quantity_units: int = 2) -> Order:
    """An order closed on our side although Stripe took the money, as when a cancellation crossed it."""
    order = sale.place(quantity_units=quantity_units)
    pay(order)
    close(sale, order, status)
    return order


def close(sale: Sale, order: Order, status: str) -> None:
    """Close it in our rows only: Stripe is not told."""
    with in_site(sale.site):
        tier_give_back(tier_id=sale.tier.id, buyer_id=sale.buyer.id, quantity_units=order.quantity_units)
    sale.change(order, status=status, next_check_at=None)


def take_all(sale: Sale) -> None:
    """Somebody else reserves whatever is left."""
    other = make_member(sale.site)
    wallet = make_wallet(other)
    reserved, sold, _mine, _own = sale.units()
    rest = sale.tier.supply_units - reserved - sold
    answer = api_of(other).post(
        ORDERS, sale.body(quantity_units=rest, wallet_id=str(wallet.id)), HTTP_IDEMPOTENCY_KEY="other"
    )
    assert answer.status_code == 201


@pytest.mark.parametrize("status", ["expired", "cancelled", "failed"])
def test_a_late_payment_is_fulfilled_from_stock(status: str) -> None:
    sale = Sale(supply_units=4)
    order = closed_and_paid(sale, status)
    paid = sale.process(order)
    assert (paid.status, paid.closed_at) == ("paid", None)
    assert sale.units() == (0, 2, 0, 2)
    with in_site(sale.site):
        assert Allocation.objects.get().id == paid.allocation_id


@pytest.mark.parametrize("status", ["expired", "cancelled", "failed"])
def test_a_late_payment_without_stock_is_refunded(status: str) -> None:
    sale = Sale(supply_units=4)
    order = closed_and_paid(sale, status)
    take_all(sale)

    due = sale.process(order)
    assert due.status == "refund_due" and due.next_check_at is not None
    refunded = sale.process(order)

    assert (refunded.status, refunded.refunded_minor, refunded.next_check_at) == ("refunded", 2000, None)
    (refund,) = stripe("GET", "/v1/refunds")["data"]
    assert (refund["amount"], refund["payment_intent"]) == (2000, order.payment_intent_id)
    with in_site(sale.site):
        assert not Allocation.objects.exists()


def test_a_refund_with_an_unknown_outcome_is_made_once() -> None:
    sale = Sale(supply_units=4)
    order = closed_and_paid(sale, "expired")
    take_all(sale)
    sale.process(order)
    fault("refunds.create", "accept_then_hang", seconds=0.05)

    assert sale.process(order).status == "refund_due"
    assert sale.process(order).status == "refunded"

    assert len(stripe("GET", "/v1/refunds")["data"]) == 1


def test_a_refund_that_staff_began_at_stripe_is_completed_and_not_repeated() -> None:
    sale = Sale(supply_units=4)
    order = closed_and_paid(sale, "expired")
    take_all(sale)
    sale.process(order)
    stripe("POST", "/v1/refunds", payment_intent=order.payment_intent_id, amount="500")

    assert sale.process(order).status == "refunded"

    assert sorted(one["amount"] for one in stripe("GET", "/v1/refunds")["data"]) == [500, 1500]


def test_a_late_payment_of_the_wrong_amount_is_for_a_person() -> None:
    sale = Sale()
    order = sale.place()
    stripe("POST", f"/v1/payment_intents/{order.payment_intent_id}", amount="1")
    pay(order)
    close(sale, order, "expired")
    held = sale.process(order)
    assert (held.status, held.problem_code) == ("expired", "payment_mismatch")


def test_a_closed_order_whose_intent_is_still_open_has_it_cancelled() -> None:
    sale = Sale()
    order = sale.place()
    close(sale, order, "failed")
    assert sale.process(order).status == "failed"
    assert stripe("GET", f"/v1/payment_intents/{order.payment_intent_id}")["status"] == "canceled"


def test_a_bank_payment_that_settles_after_the_order_closed() -> None:
    sale = Sale()
    order = sale.place()
    pay(order, "pm_usBankAccount_success")
    close(sale, order, "expired")
    assert sale.process(order).status == "expired"
    settle(order, "succeeded")
    assert sale.process(order).status == "paid"
