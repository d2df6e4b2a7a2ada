"""A provider's signed delivery over HTTP, a real worker, and the row that follows."""

from __future__ import annotations

from django.db.models.functions import Now

from apps.orders.models import Order
from apps.webhooks.models import InboxEvent
from apps.webhooks.services import SWEEP_LIMIT
from config.celery import app
from devstack.stripe_sandbox import StripeSandbox
from tests.factories import make_inbox_event
from tests.orders.scene import Sale, fault, pay
from tests.waiting import wait_until
from tests.workers import WorkerProcess


def status_of(sale: Sale, order: Order) -> str:
    return sale.order(order.id).status


def test_a_payment_reaches_its_order(
    app_server: str, stripe_sandbox: StripeSandbox, celery_worker: WorkerProcess
) -> None:
    sale = Sale()
    order = sale.place()

    pay(order)

    wait_until(lambda: status_of(sale, order) == "paid", 20, "the order is paid")
    wait_until(lambda: not InboxEvent.objects.filter(status="received").exists(), 10, "the inbox is empty")
    event = InboxEvent.objects.get(event_type="payment_intent.succeeded")
    assert (event.status, event.object_id, event.error_code) == ("handled", order.payment_intent_id, "")


def test_what_no_bell_announced_is_found_by_the_sweep(
    stripe_sandbox: StripeSandbox, celery_worker: WorkerProcess
) -> None:
    event = make_inbox_event(event_type="customer.created")

    app.send_task("apps.webhooks.tasks.sweep_inbox")

    wait_until(lambda: InboxEvent.objects.get(id=event.id).status == "ignored", 15, "the event is swept")


def test_the_sweep_rings_itself_while_there_is_more(celery_worker: WorkerProcess) -> None:
    rows = [make_inbox_event(event_type="customer.created") for _ in range(SWEEP_LIMIT + 5)]

    app.send_task("apps.webhooks.tasks.sweep_inbox")

    wait_until(lambda: not InboxEvent.objects.filter(status="received").exists(), 20, "all are swept")
    assert InboxEvent.objects.filter(status="ignored").count() == len(rows)


def test_a_failing_stripe_leaves_the_event_to_a_later_try(
    stripe_sandbox: StripeSandbox, celery_worker: WorkerProcess
) -> None:
    order = Sale().place()
    event = make_inbox_event(object_id=order.payment_intent_id)
    fault("payment_intents.retrieve", "error_500_before")
    handle = "apps.webhooks.tasks.handle_event"

    app.send_task(handle, [str(event.id)])
    wait_until(lambda: InboxEvent.objects.get(id=event.id).status == "failed", 20, "the first try failed")
    InboxEvent.objects.filter(id=event.id).update(next_attempt_at=Now())
    app.send_task(handle, [str(event.id)])

    wait_until(lambda: InboxEvent.objects.get(id=event.id).status == "handled", 20, "the second one did not")
    assert InboxEvent.objects.get(id=event.id).attempts == 2
