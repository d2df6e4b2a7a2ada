"""A refund that an approver asks for in the admin: once for each page, with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Role
from apps.orders.models import Order, Refund
from apps.sites.models import Site
from tests.admin.rows import entered, fill_site, staff_of
from tests.factories import in_site

pytestmark = pytest.mark.usefixtures("database")
FOREIGN = "01900000-0000-7000-8000-000000000001"


@pytest.fixture
def site(database: None) -> Site:
    return fill_site("NA")


def paid(site: Site) -> Order:
    with in_site(site):
        return Order.objects.get(status="paid")


def address() -> str:
    return reverse("admin:orders_order_ask", args=["refund"])


def page(client: Client, order: Order) -> Any:
    return client.get(address(), {"ids": str(order.id)})


def send(client: Client, order: Order, once: str, **fields: Any) -> Any:
    return client.post(
        address(), {"ids": str(order.id), "amount_minor": 2, "reason": "by mail", "once": once, **fields}
    )


def asked(site: Site) -> list[Refund]:
    with in_site(site):
        return list(Refund.objects.filter(origin="staff"))


def test_an_approver_refunds_with_a_reason_and_a_worker_is_due(site: Site) -> None:
    person, order = staff_of(site, role=Role.APPROVER), paid(site)
    client = entered(person)
    shown = page(client, order).context["form"].initial
    assert shown["amount_minor"] == order.amount_minor - 1, "one minor unit was given back before"
    assert send(client, order, shown["once"]).status_code == 302
    [refund] = asked(site)
    assert (refund.amount_minor, refund.reason, refund.status) == (2, "by mail", "requested")
    assert refund.requested_by_id is not None and paid(site).next_check_at is not None


def test_a_page_that_is_sent_twice_asks_once(site: Site) -> None:
    client, order = entered(staff_of(site, role=Role.APPROVER)), paid(site)
    once = page(client, order).context["form"].initial["once"]
    for _ in range(2):
        assert send(client, order, once).status_code == 302
    assert len(asked(site)) == 1


@pytest.mark.parametrize("once", ["", "forged", FOREIGN, signing.dumps(FOREIGN, salt="refund-of-x")])
def test_an_id_that_this_order_s_page_did_not_sign_asks_for_nothing(site: Site, once: str) -> None:
    client, order = entered(staff_of(site, role=Role.APPROVER)), paid(site)
    assert send(client, order, once).status_code == 200
    assert asked(site) == []


@pytest.mark.parametrize("fields", [{"reason": " "}, {"amount_minor": 0}])
def test_no_refund_without_a_reason_and_an_amount(site: Site, fields: dict[str, Any]) -> None:
    client, order = entered(staff_of(site, role=Role.APPROVER)), paid(site)
    once = page(client, order).context["form"].initial["once"]
    assert send(client, order, once, **fields).status_code == 200
    assert asked(site) == []


def test_more_than_is_left_is_a_message(site: Site) -> None:
    client, order = entered(staff_of(site, role=Role.APPROVER)), paid(site)
    once = page(client, order).context["form"].initial["once"]
    send(client, order, once, amount_minor=order.amount_minor)
    assert asked(site) == []


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_only_approvers_refund(site: Site, role: Role) -> None:
    client, order = entered(staff_of(site, role=role)), paid(site)
    assert page(client, order).status_code == 403
    assert send(client, order, "x").status_code == 403
