"""Stripe against our rows: one minor unit on either side names the row, and so does what only one side has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from apps.accounts.models import Role
from apps.core.context import acting_as
from apps.operations.models import Difference, StrayPayment
from apps.operations.threeway.record import difference_acknowledge
from apps.operations.threeway.steps import differences_round
from apps.operations.threeway.stripe_side import stripe_look
from devstack.stripe_sandbox import StripeSandbox
from tests.factories import in_site, make_member
from tests.orders.returns_scene import Returns
from tests.orders.scene import Sale, pay, refund_at_stripe, stripe


@pytest.fixture
def sale(database: None, stripe_sandbox: StripeSandbox) -> Iterator[Returns]:
    """A paid order of 20.00 USD."""
    with acting_as("task", "test"):
        yield Returns()


def look() -> None:
    """The whole of the last two hours and the minute to come."""
    now = datetime.now(UTC)
    stripe_look(now - timedelta(hours=2), now + timedelta(minutes=1))


def rows(sale: Sale) -> list[Difference]:
    with in_site(sale.site):
        return list(Difference.objects.order_by("id"))


def kinds(sale: Sale) -> list[tuple[str, str, str]]:
    return [(row.kind, row.expected, row.found) for row in rows(sale) if row.closed_at is None]


def falsify(sandbox: StripeSandbox, kind: str, **change: Any) -> None:
    """Stripe's own truth changes, behind everybody's back."""
    store = sandbox._store
    [body] = store.newest(kind)
    store.save(kind, body["id"], {**json.loads(json.dumps(body)), **change})


def alter(admin_connection: Any, statement: str) -> None:
    """Our rows change, past every trigger."""
    with admin_connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        assert cursor.rowcount == 1
        cursor.execute("SET session_replication_role = DEFAULT")


def due_now(sale: Sale) -> int:
    with in_site(sale.site):
        Difference.objects.filter(closed_at=None).update(next_check_at=datetime.now(UTC))
    return int(sale.bound(differences_round))


def test_nothing_differs_when_an_order_was_paid_and_refunded(sale: Returns) -> None:
    sale.ask(500)
    sale.look()
    look()
    assert rows(sale) == []


def test_one_minor_unit_more_at_stripe_names_the_order(sale: Returns, stripe_sandbox: StripeSandbox) -> None:
    falsify(stripe_sandbox, "charge", amount_captured=2001)
    look()
    [row] = rows(sale)
    assert (row.kind, row.expected, row.found) == ("payment_amount", "2000 USD", "2001 USD")
    assert (row.row_id, row.object_id) == (sale.paid.id, sale.paid.payment_intent_id)


def test_one_minor_unit_more_in_our_row_names_the_order(sale: Returns, admin_connection: Any) -> None:
    alter(admin_connection, "UPDATE orders_order SET refunded_minor = 1")
    look()
    [row] = rows(sale)
    assert (row.kind, row.expected, row.found, row.row_id) == ("payment_refunded", "1", "0", sale.paid.id)


def test_one_minor_unit_of_a_refund_names_its_row(sale: Returns, admin_connection: Any) -> None:
    sale.ask(500)
    sale.look()
    alter(admin_connection, "UPDATE orders_refund SET amount_minor = 501")
    look()
    [row] = rows(sale)
    assert (row.kind, row.expected, row.found) == ("refund_amount", "501 USD", "500 USD")
    assert row.row_id == sale.refunds()[0].id


def test_a_refund_that_nobody_booked(sale: Returns) -> None:
    refund = refund_at_stripe(sale.paid, 300)
    look()
    assert kinds(sale) == [
        ("payment_refunded", "0", "300"),
        ("refund_without_row", "nothing", "300 USD succeeded"),
    ]
    assert refund["id"] in {row.object_id for row in rows(sale)}


def test_a_payment_that_names_the_site_and_has_no_order(sale: Returns) -> None:
    intent = _paid_by_hand(site_id=str(sale.site.id), order_id=str(uuid4()))
    look()
    [row] = rows(sale)
    assert (row.kind, row.object_id, row.found) == ("payment_without_order", intent, "700 USD")


def test_a_payment_that_names_no_site_is_a_stray(sale: Returns) -> None:
    intent = _paid_by_hand()
    look()
    look()
    assert rows(sale) == []
    assert [(one.key, one.amount_minor) for one in StrayPayment.objects.all()] == [(intent, 700)]


def test_a_payment_that_the_order_has_not_heard_of(sale: Returns) -> None:
    order = sale.place()
    pay(order)
    look()
    [row] = rows(sale)
    assert (row.kind, row.expected, row.row_id) == ("payment_not_booked", "pending", order.id)


def test_an_order_that_says_paid_and_stripe_knows_nothing(sale: Returns, admin_connection: Any) -> None:
    alter(admin_connection, "UPDATE orders_order SET payment_intent_id = 'pi_never'")
    look()
    found = {row.kind: row.row_id for row in rows(sale)}
    # The payment whose order no longer has its id is found from the other side.
    assert found == {"payment_missing": sale.paid.id, "payment_without_order": None}


def test_found_again_it_is_the_same_row_and_gone_it_is_closed(
    sale: Returns, stripe_sandbox: StripeSandbox
) -> None:
    falsify(stripe_sandbox, "charge", amount_captured=2001)
    look()
    look()
    [first] = rows(sale)
    assert due_now(sale) == 1
    [still] = rows(sale)
    assert still.id == first.id and still.closed_at is None and still.last_seen_at > first.last_seen_at
    falsify(stripe_sandbox, "charge", amount_captured=2000)
    assert due_now(sale) == 1
    [gone] = rows(sale)
    assert gone.closed_at is not None and gone.next_check_at is None


def test_acknowledged_it_stays_open_with_who_and_why(sale: Returns, stripe_sandbox: StripeSandbox) -> None:
    falsify(stripe_sandbox, "charge", amount_captured=2001)
    look()
    [row] = rows(sale)
    member = make_member(sale.site, Role.APPROVER)
    done = sale.bound(lambda: difference_acknowledge(ids=[row.id], member_id=member.id, reason="bank's fee"))
    look()
    [row] = rows(sale)
    assert (done, row.closed_at, row.reason, row.acknowledged_by_id) == (1, None, "bank's fee", member.id)
    assert row.next_check_at and row.next_check_at > datetime.now(UTC) + timedelta(hours=23)


def _paid_by_hand(**metadata: str) -> str:
    named = {f"metadata[{name}]": value for name, value in metadata.items()}
    intent = stripe(
        "POST",
        "/v1/payment_intents",
        amount="700",
        currency="usd",
        payment_method="pm_card_visa",
        confirm="true",
        **named,
    )
    assert intent["status"] == "succeeded", intent
    return str(intent["id"])
