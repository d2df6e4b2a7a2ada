"""Inventory moves by guarded updates: what they refuse, and what two at once cannot do."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Membership
from apps.core.problems import Problem
from apps.sites.scope import SiteScopeMissing
from apps.tiers.models import BuyerUnits, Tier
from apps.tiers.services import (
    InventoryMismatch,
    tier_give_back,
    tier_reserve,
    tier_sell,
    tier_sell_from_stock,
)
from tests.factories import in_site, make_member, make_site, make_tier
from tests.orders.scene import Parallel, statements, wait_for_blocked
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("database")


class Stock:
    """A tier and a buyer."""

    def __init__(self, **tier: Any) -> None:
        self.site = make_site()
        self.tier = make_tier(self.site, **tier)
        self.buyer = make_member(self.site)

    def call(self, verb: Callable[..., Any], units: int, buyer: Membership | None = None) -> Any:
        with in_site(self.site):
            return verb(tier_id=self.tier.id, buyer_id=(buyer or self.buyer).id, quantity_units=units)

    def refused(self, units: int, **fields: Any) -> tuple[int, str]:
        with pytest.raises(Problem) as caught:
            self.call(tier_reserve, units, **fields)
        return caught.value.status, caught.value.code

    def sql(self, statement: str) -> None:
        with in_site(self.site), connection.cursor() as cursor:
            cursor.execute(statement)

    def units(self) -> tuple[int, int, int, int]:
        with in_site(self.site):
            tier = Tier.objects.get(id=self.tier.id)
            mine = BuyerUnits.objects.filter(tier=tier, buyer=self.buyer).first()
        assert mine is not None
        return tier.reserved_units, tier.sold_units, mine.reserved_units, mine.sold_units


def test_reserving_takes_two_statements() -> None:
    stock = Stock(per_buyer_limit_units=10)
    with in_site(stock.site), CaptureQueriesContext(connection) as asked:
        tier = tier_reserve(tier_id=stock.tier.id, buyer_id=stock.buyer.id, quantity_units=3)
    assert len(statements(asked)) == 2
    assert (tier.price_minor, tier.tokens_per_unit_base_units) == (1000, 50 * 10**18)
    assert stock.units() == (3, 0, 3, 0)


def test_units_move_from_reserved_to_sold_and_back() -> None:
    stock = Stock()
    stock.call(tier_reserve, 5)
    stock.call(tier_sell, 2)
    stock.call(tier_give_back, 3)
    assert stock.units() == (0, 2, 0, 2)


def test_an_unknown_tier_and_one_of_another_site_are_404() -> None:
    stock, other = Stock(), make_tier(make_site("ASIA"))
    for tier_id in (uuid4(), other.id):
        with in_site(stock.site), pytest.raises(Problem) as caught:
            tier_reserve(tier_id=tier_id, buyer_id=stock.buyer.id, quantity_units=1)
        assert (caught.value.status, caught.value.code) == (404, "unknown_tier")


@pytest.mark.parametrize(
    "tier",
    [
        {"is_active": False},
        {"opens_at": timezone.now() + timedelta(hours=1)},
        {"closes_at": timezone.now() - timedelta(hours=1)},
    ],
)
def test_a_tier_off_sale_is_closed(tier: dict[str, Any]) -> None:
    assert Stock(**tier).refused(1) == (409, "tier_closed")


def test_more_than_is_left_is_sold_out() -> None:
    stock = Stock(supply_units=5)
    stock.call(tier_reserve, 2)
    stock.call(tier_sell, 2)
    stock.call(tier_reserve, 2)
    assert stock.refused(2) == (409, "sold_out")
    stock.call(tier_reserve, 1)


def test_a_buyers_limit_counts_what_is_reserved_and_sold() -> None:
    stock = Stock(per_buyer_limit_units=4)
    stock.call(tier_reserve, 2)
    stock.call(tier_sell, 2)
    stock.call(tier_reserve, 1)
    assert stock.refused(2) == (409, "buyer_limit_reached")
    stock.call(tier_reserve, 4, buyer=make_member(stock.site))


def test_the_limit_holds_for_a_first_purchase() -> None:
    assert Stock(per_buyer_limit_units=4).refused(5) == (409, "buyer_limit_reached")


def test_a_refused_buyer_leaves_the_tier_as_it_was() -> None:
    stock = Stock(per_buyer_limit_units=4)
    stock.call(tier_reserve, 4)
    stock.refused(1)
    assert stock.units() == (4, 0, 4, 0)


def test_a_late_payment_ignores_window_and_limit_but_not_stock() -> None:
    stock = Stock(supply_units=5, per_buyer_limit_units=4)
    stock.call(tier_reserve, 4)
    stock.call(tier_give_back, 4)
    stock.call(tier_reserve, 1)
    with in_site(stock.site):
        Tier.objects.update(closes_at=timezone.now() - timedelta(minutes=1))
    assert stock.call(tier_sell_from_stock, 4) is True
    assert stock.call(tier_sell_from_stock, 1) is False
    assert stock.units() == (1, 4, 1, 4)


@pytest.mark.parametrize("verb", [tier_give_back, tier_sell])
def test_units_that_nobody_reserved_cannot_move(verb: Callable[..., Any]) -> None:
    stock = Stock()
    stock.call(tier_reserve, 1)
    with pytest.raises(InventoryMismatch):
        stock.call(verb, 2)
    assert stock.units() == (1, 0, 1, 0)


def test_units_of_another_buyer_cannot_be_moved() -> None:
    stock = Stock()
    stock.call(tier_reserve, 2)
    other = make_member(stock.site)
    with pytest.raises(InventoryMismatch):
        stock.call(tier_sell, 2, buyer=other)
    assert stock.units() == (2, 0, 2, 0)


def test_a_scope_is_required() -> None:
    with pytest.raises(SiteScopeMissing):
        tier_reserve(tier_id=uuid4(), buyer_id=uuid4(), quantity_units=1)


def test_raw_sql_cannot_oversell() -> None:
    stock = Stock(supply_units=5)
    with pytest.raises(IntegrityError, match="tier_not_oversold"):
        stock.sql("UPDATE tiers_tier SET sold_units = 6")


def test_raw_sql_cannot_make_units_negative() -> None:
    stock = Stock()
    with pytest.raises(IntegrityError, match="reserved_units"):
        stock.sql("UPDATE tiers_tier SET reserved_units = -1")


def _after(first: Callable[[], Any], hold: threading.Event, stock: Stock) -> Callable[[], Any]:
    """Run `first` in a scope that commits only when `hold` is set."""

    def call() -> Any:
        with in_site(stock.site):
            answer = first()
            assert hold.wait(10)
            return answer

    return call


def _reserve_beside(
    stock: Stock, buyers: tuple[Membership, Membership], units: int, admin_connection: Any
) -> list[Any]:
    """Two reservations at once: the second waits for the row that the first has changed and not committed."""
    hold, taken = threading.Event(), threading.Event()

    def first() -> Tier:
        tier = tier_reserve(tier_id=stock.tier.id, buyer_id=buyers[0].id, quantity_units=units)
        taken.set()
        return tier

    def second() -> Any:
        assert taken.wait(10)
        return stock.call(tier_reserve, units, buyer=buyers[1])

    both = Parallel(_after(first, hold, stock), second)
    wait_for_blocked(admin_connection, 1)
    hold.set()
    return both.results()


def test_two_buyers_race_for_the_last_unit_and_one_gets_it(admin_connection: Any) -> None:
    stock = Stock(supply_units=1)
    won, lost = _reserve_beside(stock, (stock.buyer, make_member(stock.site)), 1, admin_connection)
    assert isinstance(won, Tier)
    assert isinstance(lost, Problem) and lost.code == "sold_out"
    assert stock.units() == (1, 0, 1, 0)


def test_one_buyer_races_past_the_limit_and_is_refused(admin_connection: Any) -> None:
    stock = Stock(supply_units=10, per_buyer_limit_units=3)
    won, lost = _reserve_beside(stock, (stock.buyer, stock.buyer), 2, admin_connection)
    assert isinstance(won, Tier)
    assert isinstance(lost, Problem) and lost.code == "buyer_limit_reached"
    assert stock.units() == (2, 0, 2, 0)


def test_a_buyer_who_queued_until_the_tier_closed_is_refused_though_the_row_did_not_change(
    admin_connection: Any,
) -> None:
    # Given somebody who holds the row until the window is over, and then changes nothing
    closes_at = timezone.now() + timedelta(seconds=2)
    stock = Stock(closes_at=closes_at)
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT closes_at FROM tiers_tier WHERE id = %s FOR UPDATE", [str(stock.tier.id)])
        # When a buyer asks in time
        buyer = Parallel(lambda: stock.call(tier_reserve, 1))
        wait_for_blocked(admin_connection, 1)
        assert timezone.now() < closes_at, "the machine is too slow for this test"
        wait_until(lambda: timezone.now() > closes_at, 5, "the window is over")
        holder.rollback()
    # Then the turn came too late
    (refused,) = buyer.results()
    assert isinstance(refused, Problem) and (refused.status, refused.code) == (409, "tier_closed")
    with in_site(stock.site):
        assert Tier.objects.get().reserved_units == 0 and not BuyerUnits.objects.exists()


def test_control_reading_and_then_writing_sells_the_last_unit_twice() -> None:
    """The negative control: without the guard in the statement both buyers are told that it is theirs."""
    stock = Stock(supply_units=1)
    both_have_read = threading.Barrier(2, timeout=10)

    def naive() -> str:
        with in_site(stock.site):
            tier = Tier.objects.get(id=stock.tier.id)
            free = tier.supply_units - tier.reserved_units - tier.sold_units
            both_have_read.wait()
            if free < 1:
                return "sold out"
            Tier.objects.filter(id=tier.id).update(reserved_units=tier.reserved_units + 1)
            return "yours"

    assert Parallel(naive, naive).results() == ["yours", "yours"]


def test_control_a_limit_read_before_the_write_is_passed() -> None:
    stock = Stock(supply_units=10, per_buyer_limit_units=3)
    stock.call(tier_reserve, 1)
    both_have_read = threading.Barrier(2, timeout=10)

    def naive() -> None:
        with in_site(stock.site):
            mine = BuyerUnits.objects.get(buyer=stock.buyer)
            both_have_read.wait()
            if mine.reserved_units + mine.sold_units + 2 <= 3:
                with connection.cursor() as cursor:
                    cursor.execute("UPDATE tiers_buyerunits SET reserved_units = reserved_units + 2")

    Parallel(naive, naive).results()
    with in_site(stock.site):
        assert BuyerUnits.objects.get(buyer=stock.buyer).reserved_units == 5
