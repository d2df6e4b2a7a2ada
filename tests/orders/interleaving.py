"""One order, and everything that can happen to it, each thing as a step that a test puts into any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import permutations
from typing import Any

from django.utils import timezone

from apps.accounts.models import Membership
from apps.orders.services import orders_sweep
from apps.tiers.services import tier_reserve
from apps.vesting.models import Allocation
from apps.webhooks.dispatch import dispatch
from apps.webhooks.models import InboxEvent
from tests.factories import in_site, make_tier
from tests.orders.scene import ORDERS, Sale, intent_of, pay, settle, stripe
from tests.orders.test_late_payment import close

UNITS = 2
CLOSED = frozenset({"expired", "cancelled", "failed"})
ROUNDS = 6


class Interleaved:
    """An order of its own tier, whose counters are then this order's alone.

    ``is_scarce``: the tier has just the order's units, and ``other`` takes them as soon as they are given back.
    """

    def __init__(self, sale: Sale, other: Membership, *, is_scarce: bool = False) -> None:
        supply_units = UNITS if is_scarce else 10 * UNITS
        sale.tier = make_tier(sale.site, asset=sale.asset, policy=sale.policy, supply_units=supply_units)
        self.sale, self.other, self.is_scarce = sale, other, is_scarce
        self.order = sale.place(quantity_units=UNITS)
        self.taken_units = 0
        self.was_crossed = False

    def hold_ends(self) -> None:
        if self.status == "pending":
            self.sale.end_hold(self.order)

    def closes_unseen(self) -> None:
        """It is closed in our rows without Stripe having been told: whatever is paid from now on comes late."""
        if self.status == "pending":
            close(self.sale, self.order, "expired")
            self.was_crossed = True
            if self.is_scarce:
                self._other_takes_all()

    def buyer_cancels(self) -> None:
        answer = self.sale.client.post(f"{ORDERS}{self.order.id}/cancel/")
        assert answer.status_code in (200, 409), answer.content

    def card_pays(self) -> None:
        pay(self.order)

    def bank_begins(self) -> None:
        pay(self.order, "pm_usBankAccount_success")

    def bank_pays(self) -> None:
        self._bank_says("succeeded")

    def bank_fails(self) -> None:
        self._bank_says("failed")

    def event_comes(self) -> None:
        """Stripe's event, whatever it is about, and the worker that it wakes."""
        kind = "payment_intent.succeeded"
        dispatch(InboxEvent(provider="stripe", event_type=kind, object_id=self.order.payment_intent_id))
        self.sale.process(self.order)

    def sweeper_comes(self) -> None:
        self.sale.bound(orders_sweep)

    @property
    def status(self) -> str:
        return self.sale.order(self.order.id).status

    def play(self, names: Iterable[str]) -> None:
        """Take the steps, and look after each; then let everything come to rest, and look at the whole."""
        for name in names:
            getattr(self, name)()
            self.assert_sound()
        self._come_to_rest()
        self.assert_settled()

    def assert_sound(self) -> None:
        """At every moment: the units are where the order's state says, and a bank's payment is waited for."""
        status = self.status
        sold = UNITS if status == "paid" else 0
        reserved = UNITS if status == "pending" else 0
        reserved_now, sold_now, mine_reserved, mine_sold = self.sale.units()
        assert (mine_reserved, mine_sold) == (reserved, sold), f"{status}: units of the buyer"
        assert (reserved_now, sold_now) == (reserved + self.taken_units, sold), f"{status}: units of the tier"
        assert self._allocations() == (status == "paid"), f"{status}: tokens are owed without a sale, or not"
        if intent_of(self.order)["status"] == "processing" and not self.was_crossed:
            assert status == "pending", f"not held: {status} while a bank is paying"

    def assert_settled(self) -> None:
        """What holds in the end: money is for tokens or has gone back, once; no money, no tokens and no units."""
        self.assert_sound()
        order, intent = self.sale.order(self.order.id), intent_of(self.order)
        returned = self._refunds()
        assert order.problem_code == ""
        if intent["status"] == "succeeded":
            assert (order.status, returned) in (("paid", []), ("refunded", [order.amount_minor]))
            assert order.status == "paid" or self.taken_units, "given back although there was stock"
        else:
            assert (intent["status"], returned) == ("canceled", [])
            assert order.status in CLOSED

    def _come_to_rest(self) -> None:
        self.hold_ends()
        for _ in range(ROUNDS):
            self.event_comes()
            order = self.sale.order(self.order.id)
            if order.status in ("pending", "refund_due"):
                self.sale.change(order, next_check_at=timezone.now())
                self.sweeper_comes()
            elif order.next_check_at is None or order.status == "paid":
                return
        raise AssertionError(f"does not come to rest: {self.status}")

    def _bank_says(self, outcome: str) -> None:
        if intent_of(self.order)["status"] == "processing":
            settle(self.order, outcome)

    def _other_takes_all(self) -> None:
        with in_site(self.sale.site):
            tier_reserve(tier_id=self.sale.tier.id, buyer_id=self.other.id, quantity_units=UNITS)
        self.taken_units = UNITS

    def _allocations(self) -> int:
        with in_site(self.sale.site):
            return Allocation.objects.filter(source_id=self.order.id).count()

    def _refunds(self) -> list[int]:
        listed: list[dict[str, Any]] = stripe(
            "GET", "/v1/refunds", payment_intent=self.order.payment_intent_id
        )["data"]
        return [one["amount"] for one in listed if one["status"] == "succeeded"]


def every_order(names: str) -> Iterator[tuple[str, ...]]:
    """Each order of the steps in which a bank begins before it ends."""
    for one in permutations(names.split()):
        last = next((name for name in one if name in ("bank_pays", "bank_fails")), None)
        if last is None or one.index("bank_begins") < one.index(last):
            yield one
