"""order_process: whatever Stripe says, once, twice or late, the order ends where it belongs."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models import Sum
from django.utils import timezone

from apps.audit.models import AuditEvent
from apps.core.context import acting_as
from apps.orders.models import Order
from apps.orders.services import order_process
from apps.vesting.models import Allocation, Release
from tests.factories import in_site, make_policy
from tests.orders.scene import Sale, code, fault, intent_of, intents, pay, settle, stripe

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


def test_a_paid_order_gets_its_allocation_schedule_and_releases() -> None:
    sale = Sale()
    order = sale.place()
    pay(order)

    paid = sale.process(order)

    assert paid.status == "paid"
    # nobody waits for it: the next look is for refunds and disputes whose events never came
    assert paid.next_check_at is not None and paid.next_check_at > timezone.now() + timedelta(hours=23)
    assert paid.paid_at is not None and paid.allocation_id is not None
    assert sale.units() == (0, 2, 0, 2)
    with in_site(sale.site):
        allocation = Allocation.objects.get()
        assert (allocation.id, allocation.source_id) == (paid.allocation_id, order.id)
        assert (allocation.amount_base_units, allocation.beneficiary_id) == (100 * 10**18, sale.buyer.id)
        assert Release.objects.aggregate(total=Sum("amount_base_units"))["total"] == 100 * 10**18


def test_twice_is_once() -> None:
    sale = Sale()
    order = sale.place()
    pay(order)
    first = sale.process(order)
    again = sale.process(order)
    assert (again.allocation_id, again.paid_at) == (first.allocation_id, first.paid_at)
    assert sale.units() == (0, 2, 0, 2)


def test_the_terms_are_those_of_the_order_even_when_the_tier_got_others() -> None:
    sale = Sale()
    order = sale.place()
    with in_site(sale.site):
        everything_at_once = make_policy(sale.site, "At once", tge_basis_points=10000, parts=0)
        sale.tier.policy = everything_at_once
        sale.tier.save(update_fields=["policy"])
    pay(order)
    sale.process(order)
    with in_site(sale.site):
        assert Release.objects.count() == 13


def test_an_unpaid_order_waits_until_its_hold_ends() -> None:
    sale = Sale()
    order = sale.place()
    waiting = sale.process(order)
    assert waiting.status == "pending" and waiting.next_check_at is not None
    assert timezone.now() < waiting.next_check_at <= order.expires_at
    assert sale.units() == (2, 0, 2, 0)


def test_pauses_grow_and_end_with_the_hold() -> None:
    sale = Sale()
    order = sale.place()
    pauses = []
    for attempts in (0, 1, 2, 20):
        sale.change(order, check_attempts=attempts)
        next_check_at = sale.process(order).next_check_at
        assert next_check_at is not None
        pauses.append(round((next_check_at - timezone.now()).total_seconds()))
    assert pauses[:3] == [15, 30, 60]
    assert pauses[3] <= 15 * 60


def test_a_declined_card_leaves_the_order_open() -> None:
    sale = Sale()
    order = sale.place()
    assert pay(order, "pm_card_chargeDeclined")["error"]["code"] == "card_declined"
    assert sale.process(order).status == "pending"
    pay(order)
    assert sale.process(order).status == "paid"


def test_an_order_whose_hold_ended_is_cancelled_at_stripe_and_expires() -> None:
    sale = Sale()
    order = sale.place()
    sale.end_hold(order)

    expired = sale.process(order)

    assert (expired.status, expired.next_check_at) == ("expired", None)
    assert expired.closed_at is not None
    assert intent_of(order)["status"] == "canceled"
    assert sale.units() == (0, 0, 0, 0)
    assert pay(order)["error"]["code"] == "payment_intent_unexpected_state"


def test_a_payment_just_before_the_hold_ended_counts() -> None:
    sale = Sale()
    order = sale.place()
    pay(order)
    sale.end_hold(order)
    assert sale.process(order).status == "paid"


def test_a_payment_in_progress_keeps_the_reservation_past_the_hold() -> None:
    sale = Sale()
    order = sale.place()
    pay(order, "pm_usBankAccount_success")
    sale.end_hold(order)

    waiting = sale.process(order)

    assert waiting.status == "pending" and sale.units() == (2, 0, 2, 0)
    assert waiting.next_check_at is not None and waiting.next_check_at > timezone.now()
    settle(order, "succeeded")
    assert sale.process(order).status == "paid"


def test_a_bank_payment_that_fails_after_the_hold_expires_the_order() -> None:
    sale = Sale()
    order = sale.place()
    pay(order, "pm_usBankAccount_success")
    sale.end_hold(order)
    sale.process(order)
    settle(order, "failed")
    assert sale.process(order).status == "expired"
    assert sale.units() == (0, 0, 0, 0)


def test_an_intent_cancelled_at_stripe_fails_the_order() -> None:
    sale = Sale()
    order = sale.place()
    stripe("POST", f"/v1/payment_intents/{order.payment_intent_id}/cancel")
    assert sale.process(order).status == "failed"
    assert sale.units() == (0, 0, 0, 0)


def test_an_unknown_intent_is_learnt_by_repeating_the_create() -> None:
    sale = Sale()
    fault("payment_intents.create", "accept_then_hang", seconds=0.05)
    sale.post("key-1")
    with in_site(sale.site):
        order = Order.objects.get()
    assert order.payment_intent_id == ""

    found = sale.process(order)

    (intent,) = intents()
    assert (found.status, found.payment_intent_id) == ("pending", intent["id"])


def test_an_order_that_expires_with_an_unknown_intent_cancels_it_too() -> None:
    sale = Sale()
    fault("payment_intents.create", "accept_then_hang", seconds=0.05)
    sale.post("key-1")
    with in_site(sale.site):
        order = Order.objects.get()
    sale.end_hold(order)
    assert sale.process(order).status == "expired"
    assert [intent["status"] for intent in intents()] == ["canceled"]


def test_a_day_later_the_intent_is_searched_for_and_never_made_again() -> None:
    sale = Sale()
    order = sale.place()
    pay(order)
    sale.change(order, payment_intent_id="", created_at=timezone.now() - timedelta(hours=25))
    paid = sale.process(order)
    assert (paid.status, paid.payment_intent_id) == ("paid", order.payment_intent_id)


def test_a_day_later_an_order_without_an_intent_expires() -> None:
    sale = Sale()
    fault("payment_intents.create", "hang_before", seconds=0.05)
    sale.post("key-1")
    with in_site(sale.site):
        order = Order.objects.get()
    sale.change(order, created_at=timezone.now() - timedelta(hours=25))
    sale.end_hold(order)
    assert sale.process(order).status == "expired"
    assert intents() == []


def test_an_error_that_stripe_remembers_does_not_hold_the_units_for_a_day() -> None:
    sale = Sale()
    fault("payment_intents.create", "error_500_before")
    assert code(sale.post("key-1")) == (503, "payment_provider_unavailable")
    with in_site(sale.site):
        order = Order.objects.get()
    sale.end_hold(order)
    assert sale.process(order).status == "pending"
    sale.change(order, created_at=timezone.now() - timedelta(minutes=16))
    assert sale.process(order).status == "expired"


def test_an_intent_that_was_made_under_an_error_is_found_at_once() -> None:
    sale = Sale()
    fault("payment_intents.create", "error_500_after")

    answer = sale.post("key-1")

    (intent,) = intents()
    assert (answer.status_code, answer.json()["payment_intent_id"]) == (201, intent["id"])


def test_stripe_away_means_later() -> None:
    sale = Sale()
    order = sale.place()
    sale.end_hold(order)
    fault("payment_intents.retrieve", "hang_before", seconds=0.05)
    later = sale.process(order)
    assert later.status == "pending"
    assert later.next_check_at is not None and later.next_check_at > timezone.now()


@pytest.mark.parametrize(
    "wrong",
    [
        {"metadata[order_id]": str(uuid4())},
        {"metadata[site_id]": str(uuid4())},
        {"metadata[order_id]": ""},
        {"amount": "1999"},
        {"amount": "2001"},
        {"currency": "eur"},
    ],
)
def test_a_payment_that_does_not_match_fulfils_nothing(
    wrong: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    sale = Sale()
    order = sale.place()
    stripe("POST", f"/v1/payment_intents/{order.payment_intent_id}", **wrong)
    pay(order)

    with caplog.at_level(logging.ERROR, "posx.orders"):
        held = sale.process(order)

    assert (held.status, held.problem_code, held.next_check_at) == ("pending", "payment_mismatch", None)
    assert str(order.id) in caplog.text
    assert sale.units() == (2, 0, 2, 0)
    with in_site(sale.site):
        assert not Allocation.objects.exists()
    assert sale.process(order).status == "pending"


def test_an_intent_that_stripe_has_lost_needs_a_person() -> None:
    sale = Sale()
    order = sale.place()
    sale.change(order, payment_intent_id="pi_unknown")
    assert sale.process(order).problem_code == "payment_intent_missing"


def test_an_order_of_another_site_is_nobodys_work() -> None:
    sale, other = Sale("NA"), Sale("ASIA")
    order = sale.place()
    pay(order)
    with acting_as("task", "test"):
        order_process(site_id=other.site.id, order_id=order.id)
    assert sale.order(order.id).status == "pending"


def test_every_change_of_state_leaves_history() -> None:
    sale = Sale()
    order = sale.place()
    pay(order)
    sale.process(order)
    with in_site(sale.site):
        events = AuditEvent.objects.filter(row_id=order.id).order_by("id")
        steps = [(event.actor_kind, (event.after or {})["status"]) for event in events]
    assert steps[0] == ("user", "pending")
    assert steps[-1] == ("task", "paid")
