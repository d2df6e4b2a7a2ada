"""From an announced event to the row it is about, by what the providers say when they are asked again."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from apps.core.remote import RemoteUnknown
from apps.payouts.submission import payouts_round
from apps.sites.models import Site
from apps.webhooks.dispatch import HANDLED, HANDLERS, dispatch
from apps.webhooks.models import InboxEvent
from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.stripe_sandbox import StripeSandbox
from tests.factories import make_inbox_event
from tests.http_peers import Answer, Asked, running_peer
from tests.orders.scene import Sale, pay, stripe
from tests.payouts.scenes import Scene, transfers

pytestmark = pytest.mark.usefixtures("database")


def stripe_event_about(object_id: str, event_type: str = "payment_intent.succeeded") -> InboxEvent:
    return make_inbox_event(object_id=object_id, event_type=event_type)


def fireblocks_event_about(object_id: str, event_type: str = "transaction.status.updated") -> InboxEvent:
    return make_inbox_event(provider="fireblocks", object_id=object_id, event_type=event_type)


def ignored(event: InboxEvent) -> str:
    """Why the event was ignored."""
    outcome = dispatch(event)
    assert outcome.status == "ignored"
    return outcome.error_code


def foreign_intent(**metadata: str) -> str:
    """A PaymentIntent that somebody else made in the same Stripe account."""
    fields = {f"metadata[{name}]": value for name, value in metadata.items()}
    return str(stripe("POST", "/v1/payment_intents", amount=100, currency="usd", **fields)["id"])


@pytest.mark.parametrize("event_type", ["payment_intent.succeeded", "charge.refunded", "refund.updated"])
def test_an_event_of_a_payment_makes_its_order_due(stripe_sandbox: StripeSandbox, event_type: str) -> None:
    sale = Sale()
    order = sale.place()
    assert order.next_check_at is not None
    assert order.next_check_at > timezone.now()

    assert dispatch(stripe_event_about(order.payment_intent_id, event_type)) == HANDLED

    due_at = sale.order(order.id).next_check_at
    assert due_at is not None
    assert due_at <= timezone.now()


def test_a_charge_leads_to_its_payment(stripe_sandbox: StripeSandbox) -> None:
    sale = Sale()
    order = sale.place()
    charge_id = pay(order)["latest_charge"]

    assert dispatch(stripe_event_about(charge_id, "charge.dispute.created")) == HANDLED


@pytest.mark.parametrize("is_active", [True, False])
def test_a_deactivated_site_is_still_told(stripe_sandbox: StripeSandbox, is_active: bool) -> None:
    sale = Sale()
    order = sale.place()
    Site.objects.filter(id=sale.site.id).update(is_active=is_active)

    assert dispatch(stripe_event_about(order.payment_intent_id)) == HANDLED


def test_payments_of_nobody_are_ignored(stripe_sandbox: StripeSandbox) -> None:
    site_id = str(Sale().site.id)

    reasons = [
        ignored(stripe_event_about(object_id))
        for object_id in (
            foreign_intent(),
            foreign_intent(site_id="x", order_id="y"),
            foreign_intent(site_id=site_id),
            foreign_intent(site_id=str(uuid4()), order_id=str(uuid4())),
            foreign_intent(site_id=site_id, order_id=str(uuid4())),
            "pi_unknown",
            "cus_1",
            "",
        )
    ]

    assert reasons == [
        "not_ours",
        "not_ours",
        "not_ours",
        "unknown_site",
        "unknown_row",
        "resource_missing",
        "not_ours",
        "not_ours",
    ]


def test_an_order_of_another_site_is_not_found(stripe_sandbox: StripeSandbox) -> None:
    north, asia = Sale("NA"), Sale("ASIA")
    order = north.place()
    mixed = foreign_intent(site_id=str(asia.site.id), order_id=str(order.id))

    assert ignored(stripe_event_about(mixed)) == "unknown_row"


@pytest.mark.parametrize(
    ("provider", "event_type"),
    [
        ("stripe", "customer.created"),
        ("stripe", "transaction.created"),
        ("fireblocks", "vault_account.created"),
    ],
)
def test_what_the_table_does_not_list_is_ignored_without_asking(provider: str, event_type: str) -> None:
    assert ignored(make_inbox_event(provider=provider, event_type=event_type)) == "not_ours"


def test_every_row_of_the_table_is_reached() -> None:
    for provider, prefix in HANDLERS:
        event = make_inbox_event(provider=provider, event_type=f"{prefix}x", object_id="")
        assert ignored(event) == "not_ours"


def test_stripe_away_is_tried_again(settings: Settings) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:1"

    with pytest.raises(RemoteUnknown):
        dispatch(stripe_event_about("pi_1"))


@pytest.mark.parametrize("event_type", ["transaction.status.updated", "TRANSACTION_STATUS_UPDATED"])
def test_an_event_of_a_transfer_makes_its_payout_due(
    fireblocks_sandbox: FireblocksSandbox, event_type: str
) -> None:
    scene = Scene()
    scene.ready()
    with scene.working():
        payouts_round(1, budget_s=10)
    scene.sql("UPDATE payouts_payout SET next_attempt_at = now() + interval '1 hour'")
    [transfer] = transfers(fireblocks_sandbox)

    assert dispatch(fireblocks_event_about(transfer["id"], event_type)) == HANDLED

    due_at = scene.payout().next_attempt_at
    assert due_at is not None
    assert due_at <= timezone.now()


def test_a_transfer_that_the_provider_does_not_know_is_ignored(fireblocks_sandbox: FireblocksSandbox) -> None:
    assert ignored(fireblocks_event_about(str(uuid4()))) == "transfer_unknown"


@pytest.mark.parametrize(
    ("external_id", "reason"),
    [
        (None, "not_ours"),
        ("invoice-17", "not_ours"),
        (f"posx-{'0' * 32}-{'0' * 32}", "unknown_site"),
        ("posx-{site}-" + "0" * 32, "unknown_row"),
    ],
)
def test_transfers_of_nobody_are_ignored(settings: Settings, external_id: str | None, reason: str) -> None:
    site = Scene().site
    named = external_id and external_id.format(site=site.id.hex)

    def answer(_: Asked) -> Answer:
        return Answer(body={"id": "tx-1", "status": "COMPLETED", "externalTxId": named})

    with running_peer() as custodian:
        custodian.answer = answer
        settings.FIREBLOCKS_API_BASE = custodian.url
        assert ignored(fireblocks_event_about("tx-1")) == reason


def test_custody_away_is_tried_again(settings: Settings) -> None:
    settings.FIREBLOCKS_API_BASE = "http://127.0.0.1:1"

    with pytest.raises(RemoteUnknown):
        dispatch(fireblocks_event_about("tx-1"))
