"""Reading orders: a buyer's own, and the site's for staff."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.orders.serializers import OrderSerializer, StaffOrderSerializer
from tests.clients import api_of
from tests.factories import make_member, make_site
from tests.orders.scene import ORDERS, Sale, code, statements

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")
STAFF_ORDERS = "/api/v1/staff/orders/"


def test_a_buyer_lists_own_orders_newest_first_in_pages() -> None:
    sale = Sale()
    orders = [str(sale.place(quantity_units=1).id) for _ in range(3)]

    page = sale.client.get(ORDERS, {"limit": 2}).json()
    rest = sale.client.get(ORDERS, {"limit": 2, "cursor": page["next"]}).json()

    assert [order["id"] for order in page["results"] + rest["results"]] == orders[::-1]
    assert rest["next"] is None
    assert page["results"][0].keys() == set(OrderSerializer().fields)


def test_the_list_takes_four_statements_however_long() -> None:
    sale = Sale()
    for _ in range(3):
        sale.place(quantity_units=1)
    with CaptureQueriesContext(connection) as asked:
        assert len(sale.client.get(ORDERS).json()["results"]) == 3
    # The site, the scope's settings, the member, the orders with tier and asset.
    assert len(statements(asked)) == 4


def test_the_list_is_filtered_by_status() -> None:
    sale = Sale()
    pending, cancelled = sale.place(quantity_units=1), sale.place(quantity_units=1)
    sale.client.post(f"{ORDERS}{cancelled.id}/cancel/")
    for status, order in (("pending", pending), ("cancelled", cancelled)):
        found = sale.client.get(ORDERS, {"status": status}).json()["results"]
        assert [one["id"] for one in found] == [str(order.id)]


def test_an_unknown_status_is_refused() -> None:
    assert code(Sale().client.get(ORDERS, {"status": "lost"})) == (400, "invalid")


def test_an_order_of_somebody_else_does_not_exist() -> None:
    sale = Sale()
    order = sale.place()
    stranger = api_of(make_member(sale.site))
    abroad = api_of(make_member(make_site("ASIA")))
    for client in (stranger, abroad):
        assert code(client.get(f"{ORDERS}{order.id}/")) == (404, "unknown_order")
        assert code(client.post(f"{ORDERS}{order.id}/cancel/")) == (404, "unknown_order")
        assert client.get(ORDERS).json()["results"] == []
    assert code(sale.client.get(f"{ORDERS}{uuid4()}/")) == (404, "unknown_order")
    assert sale.client.get(f"{ORDERS}{order.id}/").json()["id"] == str(order.id)


@pytest.mark.parametrize("role", ["operator", "approver", "auditor"])
def test_staff_see_every_order_of_their_site(role: str) -> None:
    sale = Sale()
    order = sale.place()
    staff = api_of(make_member(sale.site, role))
    shown = staff.get(STAFF_ORDERS).json()["results"]
    assert [one["id"] for one in shown] == [str(order.id)]
    assert shown[0].keys() == set(StaffOrderSerializer().fields)
    assert staff.get(f"{STAFF_ORDERS}{order.id}/").json()["buyer_id"] == str(sale.buyer.id)


def test_staff_of_another_site_see_nothing() -> None:
    order = Sale().place()
    staff = api_of(make_member(make_site("ASIA"), "operator"))
    assert staff.get(STAFF_ORDERS).json()["results"] == []
    assert code(staff.get(f"{STAFF_ORDERS}{order.id}/")) == (404, "unknown_order")


def test_a_buyer_is_no_staff() -> None:
    sale = Sale()
    order = sale.place()
    assert code(sale.client.get(STAFF_ORDERS)) == (403, "permission_denied")
    assert code(sale.client.get(f"{STAFF_ORDERS}{order.id}/")) == (403, "permission_denied")
