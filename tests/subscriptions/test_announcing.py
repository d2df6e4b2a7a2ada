"""What is announced: written with the change itself, by the database, for whoever subscribed to it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from apps.subscriptions.announcer import Announcer
from apps.subscriptions.catalogue import CATALOGUE, EVENT_TYPES, Announced
from apps.subscriptions.models import Delivery, DeliveryTry, OutgoingEvent
from apps.vesting.services import allocation_grant
from tests.admin.rows import fill_site, make_delivery
from tests.factories import in_site, make_policy, make_site, make_subscription
from tests.isolation.doors.twins import pending_order
from tests.orders.scene import Sale
from tests.payouts.scenes import LONG_AGO, TOKEN, Scene

pytestmark = pytest.mark.usefixtures("database")


def announced(site: Any) -> list[tuple[str, str]]:
    """(event type, previous status) of everything that was announced, in order."""
    with in_site(site):
        rows = OutgoingEvent.objects.order_by("occurred_at", "id")
        return [(row.event_type, row.data.get("previous_status") or "") for row in rows]


def test_the_life_of_releases_and_a_payout(fireblocks_sandbox: Any) -> None:
    scene = Scene()
    make_subscription(scene.site)

    scene.unlocked(scene.buyer(), 3 * TOKEN)
    scene.ready(TOKEN)

    assert announced(scene.site) == [
        ("allocation.created", ""),
        ("release.unlocked", "locked"),
        ("payout.approved", "awaiting_approval"),
    ]
    with in_site(scene.site):
        data = OutgoingEvent.objects.get(event_type="allocation.created").data
        assert data["amount_base_units"] == str(3 * TOKEN)
        assert data["asset_id"] == str(scene.asset.id)
        assert Delivery.objects.filter(status="pending").count() == 3


def test_an_order_is_announced_by_whatever_statement_changes_it() -> None:
    sale = Sale()
    make_subscription(sale.site, event_types=["order.expired"])
    pending_order(sale.tier, sale.buyer, sale.wallet)
    with in_site(sale.site), connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET status = 'expired', next_check_at = NULL, closed_at = now()")

    with in_site(sale.site):
        event = OutgoingEvent.objects.get()
        assert (event.event_type, event.data["buyer_id"]) == ("order.expired", str(sale.buyer.id))


def test_what_is_taken_back_is_not_announced() -> None:
    scene = Scene()
    make_subscription(scene.site)
    policy = make_policy(scene.site)

    with pytest.raises(KeyError), in_site(scene.site):
        allocation_grant(
            asset_id=scene.asset.id,
            beneficiary_id=scene.operator.id,
            policy_id=policy.id,
            amount_base_units=TOKEN,
            source_kind="test",
            source_id=uuid4(),
            starts_at=LONG_AGO,
        )
        assert OutgoingEvent.objects.count() == 1
        raise KeyError

    assert announced(scene.site) == []


@pytest.mark.parametrize("fields", [{"is_active": False}, {"event_types": ["order.paid"]}])
def test_nobody_who_wants_it_is_nothing_written(fields: dict[str, Any]) -> None:
    scene = Scene()
    make_subscription(scene.site, **fields)

    scene.unlocked(scene.buyer(), TOKEN)

    assert announced(scene.site) == []


def test_another_site_hears_nothing() -> None:
    there = make_site("ASIA")
    make_subscription(there)
    scene = Scene()

    scene.unlocked(scene.buyer(), TOKEN)

    assert announced(there) == [] and announced(scene.site) == []


def test_each_subscription_gets_a_delivery_of_the_one_event() -> None:
    scene = Scene()
    for number in range(3):
        make_subscription(scene.site, name=f"R{number}", event_types=["allocation.created"])

    scene.unlocked(scene.buyer(), TOKEN)

    with in_site(scene.site):
        assert (OutgoingEvent.objects.count(), Delivery.objects.count()) == (1, 3)


@pytest.mark.parametrize("one", CATALOGUE, ids=lambda one: one.noun)
def test_the_triggers_say_what_the_catalogue_says(one: Announced, admin_connection: Any) -> None:
    """A changed catalogue needs a migration: the functions in the database are the migrations' work."""
    rule = Announcer(
        name=f"{one.noun}_announced", noun=one.noun, fields=one.fields, born=one.born, states=one.states
    )
    meant = rule.up(apps.get_model(one.model))
    with admin_connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE t.tgrelid = %s::regclass AND p.proname LIKE %s ORDER BY p.proname",
            [apps.get_model(one.model)._meta.db_table, f"{one.noun}_announced%"],
        )
        found = [row[0] for row in cursor.fetchall()]

    assert len(found) == (2 if one.states else 1)
    assert all(source.strip() in meant for source in found)


def test_names_of_event_types_are_those_that_were_promised() -> None:
    assert {"allocation.created", "release.unlocked", "payout.paid", "order.paid"} <= set(EVENT_TYPES)
    assert len(EVENT_TYPES) == len(set(EVENT_TYPES))


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE subscriptions_outgoingevent SET data = '{}'", "outgoingevent_append_only"),
        ("DELETE FROM subscriptions_outgoingevent", "outgoingevent_append_only"),
        ("UPDATE subscriptions_deliverytry SET http_status = 200", "deliverytry_append_only"),
        ("DELETE FROM subscriptions_deliverytry", "deliverytry_append_only"),
        ("UPDATE subscriptions_delivery SET status = 'failed'", "delivery_states"),
        ("UPDATE subscriptions_delivery SET status = 'pending'", "delivery_pending_is_due"),
        ("UPDATE subscriptions_delivery SET delivered_at = NULL", "delivery_delivered_has_time"),
        ("UPDATE subscriptions_delivery SET event_id = gen_random_uuid()", "delivery_frozen"),
        ("UPDATE subscriptions_subscription SET event_types = '{}'", "subscription_wants_something"),
        ("UPDATE subscriptions_subscription SET url = 'ftp://example.com'", "subscription_url_form"),
    ],
)
def test_the_database_refuses(statement: str, rule: str, admin_connection: Any) -> None:
    make_delivery(make_site())

    with admin_connection.cursor() as cursor, pytest.raises(Exception, match=rule):
        cursor.execute("SET app.actor_kind = 'command'")
        cursor.execute(statement)


def test_the_same_event_is_delivered_to_a_subscription_once() -> None:
    site = make_site()
    delivery = make_delivery(site)

    with in_site(site), pytest.raises(IntegrityError, match="delivery_once"), transaction.atomic():
        Delivery.objects.create(
            subscription_id=delivery.subscription_id,
            event_id=delivery.event_id,
            asked_at=delivery.asked_at,
            next_attempt_at=delivery.asked_at,
        )


@pytest.mark.parametrize("model", [Delivery, DeliveryTry])
def test_no_row_points_into_another_site(model: Any, admin_connection: Any) -> None:
    here, there = fill_site("NA"), fill_site("ASIA")
    with in_site(there):
        foreign = Delivery.objects.all()[0]
    target = {"subscription": foreign.subscription_id} if model is Delivery else {"delivery": foreign.id}
    name = next(iter(target))

    with pytest.raises(Exception, match=f"{model._meta.model_name}_{name}_site_fk"), in_site(here):
        row = model.objects.all()[0]
        row.id = None
        row.pk = model._meta.pk.get_default()
        setattr(row, f"{name}_id", target[name])
        if model is Delivery:
            row.status, row.next_attempt_at, row.delivered_at = "pending", row.asked_at, None
        row.save(force_insert=True)
