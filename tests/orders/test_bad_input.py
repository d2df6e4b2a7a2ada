"""What is not an order is refused with a clear problem, and nothing is half-done."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.orders.models import Order
from tests.clients import api, api_of, local_issuer
from tests.factories import in_site, make_member, make_site, make_tier, make_wallet
from tests.orders.scene import ORDERS, Sale, code, intents

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")
KEY: dict[str, Any] = {"HTTP_IDEMPOTENCY_KEY": "key-1"}


@pytest.fixture
def sale() -> Sale:
    return Sale()


def assert_untouched(sale: Sale) -> None:
    with in_site(sale.site):
        assert not Order.objects.exists()
    assert sale.units() == (0, 0, 0, 0)
    assert intents() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity_units", 0),
        ("quantity_units", -1),
        ("quantity_units", 10**9),
        ("quantity_units", 10**40),
        ("quantity_units", 1.0),
        ("quantity_units", 1.5),
        ("quantity_units", "2"),
        ("quantity_units", True),
        ("quantity_units", None),
        ("quantity_units", [2]),
        ("tier_id", ""),
        ("tier_id", "\x00"),
        ("tier_id", "not-a-uuid"),
        ("tier_id", 5),
        ("tier_id", True),
        ("tier_id", None),
        ("tier_id", {"id": 1}),
        ("wallet_id", "\ud800"),
        ("wallet_id", "x" * 5000),
        ("price_minor", 1),
        ("\x00", 1),
    ],
)
def test_a_field_that_is_not_what_it_should_be(sale: Sale, field: str, value: Any) -> None:
    body = json.dumps(sale.body(**{field: value}))
    answer = sale.client.post(ORDERS, body, content_type="application/json", **KEY)
    assert code(answer) == (400, "invalid")
    assert answer.json()["errors"][0]["field"] == field
    assert_untouched(sale)


@pytest.mark.parametrize("field", ["tier_id", "quantity_units", "wallet_id"])
def test_a_missing_field(sale: Sale, field: str) -> None:
    body = {name: value for name, value in sale.body().items() if name != field}
    assert code(sale.client.post(ORDERS, body, **KEY)) == (400, "invalid")
    assert_untouched(sale)


@pytest.mark.parametrize("body", ["", "{", "nonsense", "\x00", '{"quantity_units": NaN}', b"\xff\xfe"])
def test_a_body_that_is_not_json(sale: Sale, body: str | bytes) -> None:
    answer = sale.client.post(ORDERS, body, content_type="application/json", **KEY)
    assert answer.status_code == 400 and code(answer)[1] in ("malformed_request", "invalid")
    assert_untouched(sale)


@pytest.mark.parametrize("body", [[], [1], "text", 5, None, True])
def test_json_that_is_not_an_object(sale: Sale, body: Any) -> None:
    answer = sale.client.post(ORDERS, json.dumps(body), content_type="application/json", **KEY)
    assert code(answer) == (400, "invalid")
    assert_untouched(sale)


def test_a_form_instead_of_json(sale: Sale) -> None:
    answer = sale.client.post(ORDERS, "a=1", content_type="application/x-www-form-urlencoded", **KEY)
    assert code(answer) == (415, "unsupported_media_type")


def test_an_oversized_body(sale: Sale) -> None:
    answer = sale.client.post(ORDERS, b" " * (1024 * 1024 + 1), content_type="application/json", **KEY)
    assert code(answer) == (413, "body_too_large")


def test_no_key(sale: Sale) -> None:
    assert code(sale.client.post(ORDERS, sale.body())) == (400, "idempotency_key_missing")
    assert_untouched(sale)


def test_a_key_that_cannot_be_one(sale: Sale) -> None:
    answer = sale.client.post(ORDERS, sale.body(), HTTP_IDEMPOTENCY_KEY="x" * 256)
    assert code(answer) == (400, "idempotency_key_invalid")


def test_an_unknown_tier(sale: Sale) -> None:
    assert code(sale.post(tier_id=str(uuid4()))) == (404, "unknown_tier")
    assert_untouched(sale)


def test_a_tier_of_another_site(sale: Sale) -> None:
    other = make_tier(make_site("ASIA"))
    assert code(sale.post(tier_id=str(other.id))) == (404, "unknown_tier")
    assert_untouched(sale)


@pytest.mark.parametrize(
    "tier",
    [
        {"is_active": False},
        {"closes_at": timezone.now() - timedelta(hours=1)},
        {"opens_at": timezone.now() + timedelta(hours=1)},
    ],
)
def test_a_tier_that_is_not_on_sale(tier: dict[str, Any]) -> None:
    sale = Sale(**tier)
    assert code(sale.post()) == (409, "tier_closed")
    assert_untouched(sale)


def test_a_sold_out_tier() -> None:
    sale = Sale(supply_units=1)
    assert code(sale.post()) == (409, "sold_out")
    assert_untouched(sale)


def test_more_than_a_buyer_may_have() -> None:
    sale = Sale(per_buyer_limit_units=1)
    assert code(sale.post()) == (409, "buyer_limit_reached")
    assert_untouched(sale)


def test_wallets_that_are_not_the_buyers_active_one(sale: Sale) -> None:
    stranger = make_wallet(make_member(sale.site))
    former = make_wallet(sale.buyer, is_active=False)
    abroad = make_wallet(make_member(make_site("ASIA")))
    for wallet_id in (stranger.id, former.id, abroad.id, uuid4()):
        assert code(sale.post(wallet_id=str(wallet_id))) == (409, "wallet_not_usable")
    assert_untouched(sale)


def test_no_token(sale: Sale) -> None:
    answer = api(sale.site).post(ORDERS, sale.body(), **KEY)
    assert answer.status_code == 401 and answer["WWW-Authenticate"]


def test_an_expired_token(sale: Sale) -> None:
    client = api(sale.site)
    token = local_issuer().mint(sale.buyer.identity.subject, ttl_s=-3600)
    answer = client.post(ORDERS, sale.body(), HTTP_AUTHORIZATION=f"Bearer {token}", **KEY)
    assert answer.status_code == 401


def test_somebody_who_is_not_a_member(sale: Sale) -> None:
    abroad = make_member(make_site("ASIA"))
    answer = api(sale.site, abroad.identity.subject).post(ORDERS, sale.body(), **KEY)
    assert code(answer) == (404, "unknown_site")
    assert_untouched(sale)


def test_no_site(sale: Sale) -> None:
    answer = api(None, sale.buyer.identity.subject).post(ORDERS, sale.body(), **KEY)
    assert code(answer) == (400, "no_site")


def test_keys_of_two_buyers_do_not_meet(sale: Sale) -> None:
    other = make_member(sale.site)
    wallet = make_wallet(other)
    first = sale.post("key-1").json()
    answer = api_of(other).post(ORDERS, sale.body(wallet_id=str(wallet.id)), **KEY)
    assert answer.status_code == 201 and answer.json()["id"] != first["id"]
