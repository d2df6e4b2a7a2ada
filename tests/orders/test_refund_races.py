"""Two refunds that fit at once, and a refund beside a dispute; more races in test_return_races.py."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from apps.orders import problems
from apps.orders.models import Refund, RefundOrigin
from apps.orders.queries import refund_left_minor
from tests.factories import in_site
from tests.orders.returns_scene import Returns
from tests.orders.scene import Parallel, dispute, refunds_at_stripe, row_held, wait_for_blocked

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def test_two_refunds_at_once_that_fit_are_both_given_once(admin_connection: Any) -> None:
    sale = Returns()
    with row_held(sale.paid):
        both = Parallel(lambda: sale.ask(500), lambda: sale.ask(700))
        wait_for_blocked(admin_connection, 2)
    assert [answer.status_code for answer in both.results()] == [201, 201]

    # when two workers take them to Stripe at once
    with row_held(sale.paid):
        workers = Parallel(sale.look, sale.look)
        wait_for_blocked(admin_connection, 2)
    workers.results()
    sale.look()
    assert sorted(one["amount"] for one in refunds_at_stripe()) == [500, 700]
    assert sum(sale.tokens().values()) >= 98  # whole percents, each rounded down
    assert sale.tokens()["revoked"] in (59, 60)


def test_control_without_the_lock_both_refunds_are_asked_for() -> None:
    """The negative control: both read what is left before either has written."""
    sale = Returns()
    both_have_read = threading.Barrier(2, timeout=10)

    def naive() -> None:
        with in_site(sale.site):
            left_minor = refund_left_minor(sale.paid)
            both_have_read.wait()
            if left_minor < 1500:
                raise problems.refund_exceeds_payment()
            Refund.objects.create(
                order_id=sale.paid.id,
                amount_minor=1500,
                origin=RefundOrigin.STAFF,
                reason="x",
                requested_by_id=sale.approver.id,
            )

    assert Parallel(naive, naive).results() == [None, None]
    assert sum(row.amount_minor for row in sale.refunds()) == 3000


def test_a_refund_beside_a_dispute_that_opens(admin_connection: Any) -> None:
    sale = Returns()
    dispute(sale.paid)
    with row_held(sale.paid):
        both = Parallel(lambda: sale.ask(1500), sale.look)
        wait_for_blocked(admin_connection, 2)
    both.results()
    # then, whoever came first, what is left is frozen, and Stripe is asked for no refund of disputed money
    order = sale.look()
    assert order.status == "disputed"
    assert set(sale.tokens()) <= {"frozen", "revoked"}
    assert sum(one["amount"] for one in refunds_at_stripe()) in (0, 1500)
