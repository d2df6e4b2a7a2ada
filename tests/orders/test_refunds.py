"""Refunds: asked for by staff or made at Stripe; in parts, twice, late, with outcomes that nobody saw."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
import requests
from django.conf import settings
from django.db import IntegrityError, connection
from django.utils import timezone

from apps.accounts.models import Role
from apps.audit.models import AuditEvent
from apps.orders.services import orders_sweep
from tests.clients import api_of
from tests.factories import in_site, make_member
from tests.orders.returns_scene import TOKENS, Returns
from tests.orders.scene import Sale, code, fault, pay, refund_at_stripe, refunds_at_stripe, settle

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def test_staff_refund_a_part() -> None:
    sale = Returns()
    answer = sale.ask(500)
    assert (answer.status_code, answer.json()["status"]) == (201, "requested")
    order = sale.look()
    assert (order.status, order.refunded_minor) == ("paid", 500)
    (row,) = sale.refunds()
    (at_stripe,) = refunds_at_stripe()
    assert (row.status, row.stripe_refund_id, row.origin) == ("succeeded", at_stripe["id"], "staff")
    assert sale.tokens() == {"locked": 67, "unlocked": 7, "revoked": 25}
    assert sale.units() == (0, 2, 0, 2)


def test_staff_refund_everything_and_the_units_are_for_sale_again() -> None:
    sale = Returns()
    sale.ask(2000)
    order = sale.look()
    assert (order.status, order.refunded_minor, order.next_check_at) == ("refunded", 2000, None)
    assert sale.tokens() == {"revoked": 100}
    assert sale.units() == (0, 0, 0, 0)


def test_the_same_key_asks_once_and_another_body_is_refused() -> None:
    sale = Returns()
    first = sale.ask(500, key="key-1")
    again = sale.ask(500, key="key-1")
    assert again.json() == first.json() and again["Idempotency-Replayed"] == "true"
    assert code(sale.ask(501, key="key-1")) == (422, "idempotency_key_reused")
    assert len(sale.refunds()) == 1


def test_only_an_approver_may_refund_and_history_names_them() -> None:
    sale = Returns()
    for role in (Role.BUYER, Role.OPERATOR, Role.AUDITOR):
        sale.staff = api_of(make_member(sale.site, role))
        assert code(sale.ask(500)) == (403, "permission_denied")
    sale.staff = api_of(sale.approver)
    sale.ask(500, "wrong tier")
    with in_site(sale.site):
        event = AuditEvent.objects.get(table_name="orders_refund", action="insert")
    assert event.actor_id == str(sale.approver.id)
    assert event.after is not None and event.after["reason"] == "wrong tier"


@pytest.mark.parametrize("amount", [0, -1, "5", 1.5, None])
def test_an_amount_that_is_none_is_refused(amount: int) -> None:
    assert Returns().ask(amount).status_code == 400


def test_a_reason_must_be_given() -> None:
    assert Returns().ask(500, "").status_code == 400


def test_more_than_is_left_is_refused_also_while_a_refund_is_under_way() -> None:
    sale = Returns()
    assert code(sale.ask(2001)) == (409, "refund_exceeds_payment")
    sale.ask(1500)
    assert code(sale.ask(501)) == (409, "refund_exceeds_payment")


def test_what_is_not_paid_is_not_refunded() -> None:
    sale = Returns()
    sale.paid = sale.place()
    assert code(sale.ask(1)) == (409, "order_not_refundable")


def test_a_refund_with_an_unknown_outcome_is_made_once() -> None:
    sale = Returns()
    sale.ask(500)
    fault("refunds.create", "accept_then_hang", seconds=0.05)
    assert sale.look().refunded_minor == 0
    assert sale.refunds()[0].status == "requested"
    assert sale.look().refunded_minor == 500
    assert len(refunds_at_stripe()) == 1


def test_a_bell_that_was_lost_is_answered_by_the_sweeper() -> None:
    sale = Returns()
    sale.ask(500)
    assert sale.bound(orders_sweep) == 1
    assert sale.refunds()[0].status == "succeeded"


def test_a_refund_that_stripe_refuses_is_over_and_revokes_nothing() -> None:
    sale = Returns()
    sale.ask(1500)
    refund_at_stripe(sale.paid, 1000)
    order = sale.look()
    assert [(row.status, row.amount_minor) for row in sale.refunds()] == [
        ("failed", 1500),
        ("succeeded", 1000),
    ]
    assert (order.status, order.refunded_minor) == ("paid", 1000)
    assert sale.tokens()["revoked"] == 50


def test_a_refund_from_the_dashboard_becomes_a_row_once() -> None:
    sale = Returns()
    refund_at_stripe(sale.paid, 500)
    sale.look()
    order = sale.look()
    (row,) = sale.refunds()
    assert (row.origin, row.status, row.requested_by_id) == ("stripe", "succeeded", None)
    assert (order.refunded_minor, sale.tokens()["revoked"]) == (500, 25)


def test_a_refund_before_we_knew_of_the_payment() -> None:
    sale = Sale()
    order = sale.place()
    pay(order)
    refund_at_stripe(order, 2000)
    assert sale.process(order).status == "refunded"
    assert sale.units() == (0, 0, 0, 0)


@pytest.mark.parametrize("order_of_looks", list(permutations(range(3))))
def test_partial_refunds_in_any_order_and_repeated_end_alike(order_of_looks: tuple[int, ...]) -> None:
    sale = Returns()
    for step in order_of_looks:
        refund_at_stripe(sale.paid, (300, 700, 1)[step])
        sale.look()
        sale.look()
    assert sale.look().refunded_minor == 1001
    with in_site(sale.site), connection.cursor() as cursor:
        cursor.execute("SELECT sum(amount_base_units) FROM vesting_release WHERE status = 'revoked'")
        assert cursor.fetchone()[0] == TOKENS * 1001 // 2000


def test_what_was_paid_out_is_owed_back_and_its_units_stay_sold() -> None:
    sale = Returns()
    sale.pay_out()
    sale.ask(2000)
    assert sale.look().status == "refunded"
    assert sale.tokens() == {"released": 10, "revoked": 90}
    assert sale.owed() == TOKENS // 10
    assert sale.units() == (0, 2, 0, 2)


def test_a_refund_that_the_bank_sends_back_is_for_a_person() -> None:
    sale = Returns()
    refund = refund_at_stripe(sale.paid, 2000)
    sale.look()
    url = f"{settings.STRIPE_API_BASE}/_sandbox/refunds/{refund['id']}/fail"
    requests.post(url, timeout=5).raise_for_status()
    order = sale.look()
    assert (order.status, order.refunded_minor, order.problem_code) == ("refunded", 0, "refund_failed")


def test_a_quiet_paid_order_is_looked_at_ever_more_seldom() -> None:
    sale = Returns()
    assert sale.look().next_check_at is not None
    wait = sale.order(sale.paid.id).next_check_at
    assert wait is not None and timedelta(hours=23) < wait - timezone.now() <= timedelta(days=1)


def test_a_payment_that_is_processing_holds_its_reservation() -> None:
    sale = Sale()
    order = sale.place()
    pay(order, "pm_usBankAccount_success")
    sale.end_hold(order)
    waiting = sale.process(order)
    assert (waiting.status, sale.units()) == ("pending", (2, 0, 2, 0))
    settle(order, "succeeded")
    assert (sale.process(order).status, sale.units()) == ("paid", (0, 2, 0, 2))


def test_a_processing_payment_that_fails_gives_its_reservation_back() -> None:
    sale = Sale()
    order = sale.place()
    pay(order, "pm_usBankAccount_success")
    sale.end_hold(order)
    sale.process(order)
    settle(order, "failed")
    assert (sale.process(order).status, sale.units()) == ("expired", (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE orders_refund SET amount_minor = 1", "refund_frozen"),
        ("UPDATE orders_refund SET reason = 'another'", "refund_frozen"),
        ("UPDATE orders_refund SET status = 'pending'", "refund_states"),
        ("UPDATE orders_refund SET stripe_refund_id = ''", "refund_at_stripe_has_id"),
        ("UPDATE orders_order SET refunded_minor = 1500, lost_minor = 501", "order_returned_within_amount"),
    ],
)
def test_raw_sql_cannot_bend_a_refund(statement: str, rule: str) -> None:
    sale = Returns()
    sale.ask(500)
    sale.look()
    with pytest.raises(IntegrityError) as refused, in_site(sale.site), connection.cursor() as cursor:
        cursor.execute(statement)
    assert str(refused.value.__cause__.diag.constraint_name) == rule  # type: ignore[union-attr]
