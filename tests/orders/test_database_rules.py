"""What PostgreSQL refuses although somebody went around Python."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection

from apps.orders.models import Order
from apps.sites.scope import site_scope
from tests.factories import in_site, make_member
from tests.orders.scene import Sale, pay

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def sql(sale: Sale, statement: str, *values: Any) -> int:
    with in_site(sale.site), connection.cursor() as cursor:
        cursor.execute(statement, [str(value) for value in values])
        return int(cursor.rowcount)


@pytest.mark.parametrize("status", ["refund_due", "refunded", "disputed", "nonsense"])
def test_an_illegal_step_is_refused(status: str) -> None:
    sale = Sale()
    sale.place()
    with pytest.raises(IntegrityError):
        sql(sale, "UPDATE orders_order SET status = %s", status)


def test_a_closed_order_cannot_be_opened_again() -> None:
    sale = Sale()
    order = sale.place()
    sale.end_hold(order)
    sale.process(order)
    with pytest.raises(IntegrityError, match=r"order_states|no step"):
        sql(sale, "UPDATE orders_order SET status = 'pending'")


def test_paid_without_an_allocation_is_refused() -> None:
    sale = Sale()
    sale.place()
    with pytest.raises(IntegrityError, match="order_paid_has_allocation"):
        sql(sale, "UPDATE orders_order SET status = 'paid', paid_at = now()")


def test_an_allocation_serves_one_order() -> None:
    sale = Sale()
    first, second = sale.place(), sale.place()
    pay(first)
    paid = sale.process(first)
    with pytest.raises(IntegrityError, match="order_allocation_once"):
        sql(
            sale,
            "UPDATE orders_order SET status = 'paid', paid_at = now(), allocation_id = %s WHERE id = %s",
            paid.allocation_id,
            second.id,
        )


def test_the_allocation_of_a_paid_order_stays() -> None:
    sale = Sale()
    order = sale.place()
    pay(order)
    sale.process(order)
    with pytest.raises(IntegrityError, match=r"order_set_once|cannot change"):
        sql(sale, "UPDATE orders_order SET allocation_id = NULL")


@pytest.mark.parametrize(
    "change",
    [
        "quantity_units = 1, amount_minor = 1000",
        "amount_minor = 1",
        "currency = 'EUR'",
        "tokens_base_units = 1",
        "price_minor = 1, amount_minor = 2",
    ],
)
def test_what_was_bought_never_changes(change: str) -> None:
    sale = Sale()
    sale.place()
    with pytest.raises(IntegrityError):
        sql(sale, f"UPDATE orders_order SET {change}")


def test_an_order_never_changes_hands() -> None:
    sale = Sale()
    sale.place()
    other = make_member(sale.site)
    with pytest.raises(IntegrityError, match=r"order_frozen|cannot change"):
        sql(sale, "UPDATE orders_order SET buyer_id = %s", other.id)


def test_more_than_was_paid_cannot_be_refunded() -> None:
    sale = Sale()
    sale.place()
    with pytest.raises(IntegrityError, match="order_refund_within_amount"):
        sql(sale, "UPDATE orders_order SET refunded_minor = 2001")


def test_an_intent_pays_one_order() -> None:
    sale = Sale()
    first, second = sale.place(), sale.place()
    with pytest.raises(IntegrityError, match="order_payment_intent_once"):
        sql(
            sale,
            "UPDATE orders_order SET payment_intent_id = %s WHERE id = %s",
            first.payment_intent_id,
            second.id,
        )


def test_an_order_cannot_point_into_another_site() -> None:
    sale, other = Sale("NA"), Sale("ASIA")
    order = sale.place()
    with pytest.raises(IntegrityError, match="order_tier_site_fk"):
        sql(
            sale,
            "INSERT INTO orders_order SELECT (jsonb_populate_record(o, jsonb_build_object("
            "'id', %s, 'tier_id', %s, 'payment_intent_id', ''))).* FROM orders_order o WHERE id = %s",
            uuid4(),
            other.tier.id,
            order.id,
        )


def test_orders_of_another_site_are_neither_seen_nor_changed() -> None:
    sale, other = Sale("NA"), Sale("ASIA")
    order = sale.place()
    assert sql(other, "UPDATE orders_order SET next_check_at = NULL WHERE id = %s", order.id) == 0
    with in_site(other.site):
        assert not Order.objects.exists()


def test_a_change_by_nobody_is_refused() -> None:
    sale = Sale()
    sale.place()
    with pytest.raises(IntegrityError, match=r"order_audit|no actor"), site_scope(sale.site.id):
        Order.objects.update(status="cancelled")
