"""No webhook ever arrives: a real beat and a real worker find out what happened, by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from apps.webhooks.models import InboxEvent
from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.stripe_sandbox import StripeSandbox
from tests.journeys.conftest import StartWorker
from tests.orders.returns_scene import Returns
from tests.orders.scene import Sale, dispute, fault, pay, refund_at_stripe
from tests.payouts.scenes import Scene
from tests.programs import BEAT, Program
from tests.waiting import wait_until

# Nothing listens at the address that the sandboxes send to: the application is not served here.
pytestmark = pytest.mark.usefixtures("database")
# Beat reads the list of events every 30 s, and starts counting when it starts.
PATIENCE_S = 150.0


@pytest.fixture
def clockwork(start_worker: StartWorker, tmp_path: Path) -> Iterator[None]:
    """One worker and one beat as they are deployed."""
    start_worker("missed")
    beat = Program(tmp_path / "beat.log", BEAT)
    beat.says("leading", timeout_s=60)
    yield
    beat.kill()


def test_a_payment_a_refund_a_dispute_and_a_transfer_are_found(
    stripe_sandbox: StripeSandbox, fireblocks_sandbox: FireblocksSandbox, clockwork: None
) -> None:
    # Given orders that nobody would look at for two minutes or for a day, and an approved payout
    refunded, disputed = Returns(code="NA"), Returns(code="ASIA")
    bought = Sale("EU")
    order = bought.place()
    payer = Scene("PAY")
    payer.ready()

    # When it all happens, and no event is delivered
    pay(order)
    refund_at_stripe(refunded.paid, 500)
    dispute(disputed.paid)

    # Then the list of events tells of the orders, and the custodian is asked for its transfer
    wait_until(lambda: payer.payout().status == "paid", PATIENCE_S, "the transfer is found")
    wait_until(lambda: bought.order(order.id).status == "paid", PATIENCE_S, "the payment is found")
    wait_until(lambda: refunded.order(refunded.paid.id).refunded_minor == 500, 60, "the refund is found")
    wait_until(lambda: disputed.order(disputed.paid.id).status == "disputed", 60, "the dispute is found")
    assert set(InboxEvent.objects.values_list("provider", flat=True)) == {"stripe"}


def test_without_the_list_the_payment_intent_of_a_due_order_tells(
    stripe_sandbox: StripeSandbox, clockwork: None
) -> None:
    fault("events.list", "error_500_before", times=1000)
    sale = Sale()
    order = sale.place()
    pay(order)
    sale.change(order, next_check_at=timezone.now())  # as two minutes later

    wait_until(lambda: sale.order(order.id).status == "paid", PATIENCE_S, "the payment is found")

    assert not InboxEvent.objects.exists()
