"""Disputes: opened freezes, won resumes on the original dates, lost revokes; found by event or without one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from apps.orders.services import orders_sweep
from apps.orders.services.returns import returns_apply
from apps.orders.stripe_objects import dispute_of
from tests.factories import in_site
from tests.orders.returns_scene import TOKENS, Returns
from tests.orders.scene import code, dispute, refund_at_stripe

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def test_an_open_dispute_freezes_what_is_not_released() -> None:
    sale = Returns()
    sale.batch()
    dispute(sale.paid)
    order = sale.look()
    assert (order.status, sale.tokens(), sale.payouts()) == ("disputed", {"frozen": 100}, ["cancelled"])
    assert {release.frozen_from for release in sale.releases()} == {"locked", "unlocked"}
    assert order.next_check_at is not None and order.next_check_at > timezone.now()


def test_a_won_dispute_resumes_on_the_original_dates() -> None:
    sale = Returns()
    before = [(r.id, r.unlock_at, r.status) for r in sale.releases()]
    dispute(sale.paid)
    sale.look()
    dispute(sale.paid, "won")
    assert sale.look().status == "paid"
    assert [(r.id, r.unlock_at, r.status) for r in sale.releases()] == before


def test_a_lost_dispute_revokes_and_what_was_paid_out_is_owed() -> None:
    sale = Returns()
    sale.pay_out()
    dispute(sale.paid)
    sale.look()
    dispute(sale.paid, "lost")
    order = sale.look()
    assert (order.status, order.refunded_minor, order.lost_minor) == ("refunded", 0, 2000)
    assert (sale.tokens(), sale.owed()) == ({"released": 10, "revoked": 90}, TOKENS // 10)


@pytest.mark.parametrize(("outcome", "status"), [("won", "paid"), ("lost", "refunded")])
def test_a_dispute_that_closed_before_anybody_looked(outcome: str, status: str) -> None:
    sale = Returns()
    dispute(sale.paid, outcome)
    assert sale.look().status == status
    assert sale.look().status == status
    assert [row.status for row in sale.disputes()] == [outcome]


def test_a_lost_dispute_after_a_partial_refund_takes_the_rest() -> None:
    sale = Returns()
    refund_at_stripe(sale.paid, 500)
    sale.look()
    dispute(sale.paid, "lost")
    order = sale.look()
    assert (order.status, order.refunded_minor, order.lost_minor) == ("refunded", 500, 1500)
    assert (sale.tokens(), sale.units()) == ({"revoked": 100}, (0, 0, 0, 0))


def test_the_end_of_a_dispute_is_found_without_its_event() -> None:
    sale = Returns()
    dispute(sale.paid)
    sale.look()
    dispute(sale.paid, "won")
    sale.change(sale.paid, next_check_at=timezone.now() - timedelta(seconds=1))
    assert sale.bound(orders_sweep) == 1
    assert sale.order(sale.paid.id).status == "paid"


def test_a_dispute_is_found_without_its_event() -> None:
    sale = Returns()
    dispute(sale.paid)
    # a paid order stays due, a day later and then ever more seldom
    due = sale.order(sale.paid.id).next_check_at
    assert due is not None
    sale.change(sale.paid, next_check_at=due - timedelta(days=2))
    assert sale.bound(orders_sweep) == 1
    assert sale.order(sale.paid.id).status == "disputed"


def test_a_disputed_order_is_not_refunded() -> None:
    sale = Returns()
    dispute(sale.paid)
    sale.look()
    assert code(sale.ask(1)) == (409, "order_disputed")


def test_an_older_answer_of_stripe_does_not_reopen_a_dispute() -> None:
    sale = Returns()
    older = dispute_of(dispute(sale.paid))
    dispute(sale.paid, "won")
    sale.look()
    sale.bound(lambda: returns_apply(sale.order(sale.paid.id), [], [older]))
    assert (sale.order(sale.paid.id).status, sale.tokens()) == ("paid", {"locked": 90, "unlocked": 10})


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE orders_dispute SET status = 'open'", "dispute_states"),
        ("UPDATE orders_dispute SET amount_minor = 1", "dispute_frozen"),
        ("UPDATE orders_dispute SET settled_at = NULL", "dispute_settled_has_time"),
    ],
)
def test_raw_sql_cannot_bend_a_dispute(statement: str, rule: str) -> None:
    sale = Returns()
    dispute(sale.paid, "won")
    sale.look()
    with pytest.raises(IntegrityError) as refused, in_site(sale.site), connection.cursor() as cursor:
        cursor.execute(statement)
    assert str(refused.value.__cause__.diag.constraint_name) == rule  # type: ignore[union-attr]
