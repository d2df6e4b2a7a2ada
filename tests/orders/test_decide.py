"""The decision table of an order, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from apps.orders.models import Order, OrderStatus
from apps.orders.services.decide import Decision, Step, decide, next_check, payment_matches
from apps.orders.services.look import Look
from apps.orders.stripe_gateway import Intent

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
ORDER_ID, SITE_ID = UUID(int=1), UUID(int=2)


def order(status: str = "pending", *, over: bool = False, **fields: Any) -> Order:
    expires_at = NOW - timedelta(seconds=1) if over else NOW + timedelta(minutes=5)
    usual = {"amount_minor": 2000, "currency": "USD", "expires_at": expires_at}
    return Order(id=ORDER_ID, site_id=SITE_ID, status=status, **usual | fields)


def intent(status: str, **fields: Any) -> Intent:
    usual: dict[str, Any] = {
        "id": "pi_1",
        "amount_minor": 2000,
        "amount_received_minor": 2000 if status == "succeeded" else 0,
        "currency": "usd",
        "metadata": {"order_id": str(ORDER_ID), "site_id": str(SITE_ID)},
        "client_secret": None,
        "latest_charge_id": None,
    }
    return Intent(status=status, **usual | fields)


OPEN = ["requires_payment_method", "requires_confirmation", "requires_action"]
CLOSED = ["expired", "cancelled", "failed"]
SETTLED = ["paid", "refunded", "disputed", "refund_due"]


@pytest.mark.parametrize("status", ["pending", *CLOSED])
def test_matching_money_is_fulfilled_whatever_the_order_was(status: str) -> None:
    assert decide(order(status), Look(intent("succeeded")), NOW) == Decision(Step.FULFIL)


@pytest.mark.parametrize("status", SETTLED)
@pytest.mark.parametrize("at_stripe", [*OPEN, "succeeded", "canceled", "processing"])
def test_a_settled_order_rests(status: str, at_stripe: str) -> None:
    assert decide(order(status), Look(intent(at_stripe)), NOW).step is Step.REST


@pytest.mark.parametrize("at_stripe", OPEN)
def test_an_open_intent_waits_until_the_hold_is_over(at_stripe: str) -> None:
    assert decide(order(), Look(intent(at_stripe)), NOW).step is Step.WAIT
    assert decide(order(over=True), Look(intent(at_stripe)), NOW).step is Step.CANCEL_FIRST
    assert decide(order(cancel_requested_at=NOW), Look(intent(at_stripe)), NOW).step is Step.CANCEL_FIRST
    assert decide(order("failed"), Look(intent(at_stripe)), NOW).step is Step.CANCEL_FIRST


@pytest.mark.parametrize("at_stripe", ["processing", "requires_capture", "a_new_word"])
@pytest.mark.parametrize("status", ["pending", *CLOSED])
def test_what_is_not_final_is_waited_for(status: str, at_stripe: str) -> None:
    assert decide(order(status, over=True), Look(intent(at_stripe)), NOW).step is Step.WAIT


def test_a_cancelled_intent_closes_by_why() -> None:
    look = Look(intent("canceled"))
    assert decide(order(), look, NOW) == Decision(Step.CLOSE, OrderStatus.FAILED)
    assert decide(order(over=True), look, NOW) == Decision(Step.CLOSE, OrderStatus.EXPIRED)
    wished = order(over=True, cancel_requested_at=NOW)
    assert decide(wished, look, NOW) == Decision(Step.CLOSE, OrderStatus.CANCELLED)
    assert decide(order("expired"), look, NOW).step is Step.REST


def test_without_an_intent_the_order_waits_for_its_end() -> None:
    assert decide(order(), Look(), NOW).step is Step.WAIT
    assert decide(order(over=True), Look(), NOW) == Decision(Step.CLOSE, OrderStatus.EXPIRED)
    assert decide(order(), Look(refusal="amount_too_small"), NOW) == Decision(Step.CLOSE, OrderStatus.FAILED)
    assert decide(order("expired"), Look(), NOW).step is Step.REST


def test_a_lost_intent_is_for_a_person() -> None:
    assert decide(order(), Look(is_lost=True), NOW).problem_code == "payment_intent_missing"


def test_what_waits_for_a_person_is_left_alone() -> None:
    held = order(problem_code="payment_mismatch", over=True)
    for at_stripe in (*OPEN, "succeeded", "canceled"):
        assert decide(held, Look(intent(at_stripe)), NOW).step is Step.REST


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_received_minor": 1999},
        {"amount_received_minor": 2001},
        {"currency": "eur"},
        {"metadata": {}},
        {"metadata": {"order_id": str(ORDER_ID)}},
        {"metadata": {"order_id": str(SITE_ID), "site_id": str(SITE_ID)}},
        {"metadata": {"order_id": str(ORDER_ID), "site_id": str(ORDER_ID)}},
    ],
)
def test_every_mismatch_is_for_a_person(wrong: dict[str, Any]) -> None:
    paid = intent("succeeded", **wrong)
    assert not payment_matches(order(), paid)
    assert decide(order(), Look(paid), NOW) == Decision(Step.REVIEW, problem_code="payment_mismatch")


def test_the_next_look_is_never_after_the_end_of_an_open_hold() -> None:
    waiting = order(check_attempts=9)
    assert next_check(waiting, Look(intent("requires_action")), NOW) == waiting.expires_at


def test_a_payment_in_progress_is_looked_at_beyond_the_hold() -> None:
    waiting = order(over=True, check_attempts=40)
    assert next_check(waiting, Look(intent("processing")), NOW) == NOW + timedelta(minutes=15)
