"""What happens at Stripe and at the custodian to one sale, step by step, and what the books say of it.

A step acts at a provider or as staff, never as a worker: what our side makes of it comes by events and sweeps.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from django.conf import settings
from django.db import connection

from apps.accounts.models import Role
from apps.core.context import acting_as
from apps.operations.ledger.verify import ledger_violations
from apps.orders.models import Dispute, Order, OrderStatus, Refund
from apps.orders.services import orders_sweep
from apps.payouts.batches import batch_approve
from apps.payouts.models import Payout, PayoutAttempt
from apps.payouts.submission import payouts_round
from apps.vesting.models import Receivable, Release
from apps.vesting.payout_link import payout_batch_request
from apps.vesting.unlocking import releases_unlock_due
from apps.webhooks.announcements import Announcement, fireblocks_announcement, stripe_announcement
from apps.webhooks.dispatch import dispatch
from apps.webhooks.models import InboxEvent
from apps.webhooks.services import event_handle, event_receive
from tests.factories import in_site, make_member
from tests.orders.scene import Sale, dispute, fail_refund, pay, refund_at_stripe, settle, stripe
from tests.waiting import wait_until

SETTLED_AT_CUSTODY = ("COMPLETED", "FAILED", "REJECTED", "BLOCKED", "PENDING_SANDBOX_REVIEW")
ROUNDS = 12


class World(Sale):
    """A sale of 2 units (20.00 USD, 100 tokens, 10 % at once) with staff, and both providers emptied for it."""

    def __init__(self, code: str) -> None:
        for base in (settings.STRIPE_API_BASE, settings.FIREBLOCKS_API_BASE):
            requests.delete(f"{base}/_sandbox/faults", timeout=5).raise_for_status()
            requests.post(f"{base}/_sandbox/reset", timeout=5).raise_for_status()
        super().__init__(code)
        self.operator = make_member(self.site, Role.OPERATOR)
        self.approver = make_member(self.site, Role.APPROVER)
        self.bought = self.place()
        self.refund: dict[str, Any] = {}

    # What the providers would announce

    def announcements(self) -> list[Announcement]:
        """Every event so far, oldest first; the custodian's in the words of both of its webhook versions."""
        made = [stripe_announcement(event, _raw(event)) for event in _stripe_events()]
        for event in _custody_events():
            made.append(fireblocks_announcement(event, _raw(event)))
            older = {
                "type": event["eventType"].upper().replace(".", "_"),
                "timestamp": event["createdAt"],
                "data": event["data"],
            }
            made.append(fireblocks_announcement(older, _raw(older)))
        return made

    def hear(self, announcement: Announcement) -> str:
        """Deliver: the inbox keeps it once, but its handler runs each time; says what became of it."""
        event_receive(announcement=announcement)
        row = InboxEvent.objects.get(provider=announcement.provider, event_id=announcement.event_id)
        with acting_as("webhook", announcement.event_id):
            outcome = event_handle(event_id=row.id, dispatch=dispatch) or dispatch(row)
        return f"{outcome.status} {outcome.error_code}".strip()

    # What our side does

    def work(self) -> None:
        """Workers do what is due now."""
        self.bound(orders_sweep)
        self.bound(lambda: releases_unlock_due(1000))
        self.bound(lambda: payouts_round(20))

    def end(self) -> dict[str, Any]:
        """Time goes on until nothing changes any more; what the books say then."""
        before: dict[str, Any] = {}
        for _ in range(ROUNDS):
            with in_site(self.site), connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE orders_order SET next_check_at = now() WHERE next_check_at IS NOT NULL"
                )
                cursor.execute(
                    "UPDATE payouts_payout SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL"
                )
            self.work()
            books = self.books()
            if books == before:
                return books
            before = books
        raise AssertionError(f"the books do not come to rest: {before}")

    def books(self) -> dict[str, Any]:
        """Everything of value, without ids, times and history."""
        with in_site(self.site):
            order = Order.objects.get(id=self.bought.id)
            dates = sorted({release.unlock_at for release in Release.objects.all()})
            releases: Counter[tuple[int, str]] = Counter()
            for release in Release.objects.exclude(status="replaced"):
                releases[dates.index(release.unlock_at), release.status] += release.amount_base_units
            return {
                "order": (
                    order.status,
                    order.refunded_minor,
                    order.lost_minor,
                    order.problem_code,
                    order.units_taken_back,
                    order.allocation_id is not None,
                ),
                "units": self._units(),
                "refunds": sorted(Refund.objects.values_list("amount_minor", "status", "origin")),
                "disputes": sorted(Dispute.objects.values_list("amount_minor", "status")),
                "releases": dict(releases),
                "owed": sum(row.amount_base_units for row in Receivable.objects.all()),
                "payouts": sorted(
                    (payout.amount_base_units, payout.status, payout.hold_code, payout.tx_hash != "")
                    for payout in Payout.objects.all()
                ),
                "attempts": sorted(PayoutAttempt.objects.values_list("status", "sends")),
            }

    def faults(self) -> list[str]:
        """What verify_ledger would print."""
        with acting_as("command", "test"):
            return [f"{one.invariant} {one.row_id}" for one in ledger_violations([self.site.id])]

    def _units(self) -> tuple[int, int, int, int]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT t.reserved_units, t.sold_units, b.reserved_units, b.sold_units FROM tiers_tier t "
                "JOIN tiers_buyerunits b ON b.site_id = t.site_id AND b.tier_id = t.id"
            )
            [row] = cursor.fetchall()
        return row  # type: ignore[no-any-return]


Step = Callable[[World], object]


def paid(world: World) -> None:
    pay(world.bought)


def declined(world: World) -> None:
    pay(world.bought, "pm_card_chargeDeclined")


def processing(world: World) -> None:
    pay(world.bought, "pm_usBankAccount_success")


def settled(outcome: str) -> Step:
    return lambda world: settle(world.bought, outcome)


def cancelled_at_stripe(world: World) -> None:
    stripe("POST", f"/v1/payment_intents/{world.bought.payment_intent_id}/cancel")


def hold_over(world: World) -> None:
    """The time to pay is over; an order that is paid does not mind."""
    if world.order(world.bought.id).status == OrderStatus.PENDING:
        world.end_hold(world.bought)


def refunded(amount_minor: int) -> Step:
    def step(world: World) -> None:
        world.refund = refund_at_stripe(world.bought, amount_minor)
        assert world.refund.get("object") == "refund", world.refund

    return step


def refund_failed(world: World) -> None:
    fail_refund(world.refund)


def disputed(outcome: str | None = None) -> Step:
    return lambda world: dispute(world.bought, outcome)


def sent(outcome: str = "") -> Step:
    """What is unlocked is sent by two people and a worker, and the custodian ends it so."""

    def step(world: World) -> None:
        world.work()
        if outcome:
            spec = {"operation": "transactions.create", "outcome": outcome}
            url = f"{settings.FIREBLOCKS_API_BASE}/_sandbox/faults"
            requests.post(url, json=spec, timeout=5).raise_for_status()
        batch = world.bound(
            lambda: payout_batch_request(asset_id=world.asset.id, requested_by_id=world.operator.id)
        )
        with in_site(world.site):
            plan = batch.plan_sha256
        world.bound(
            lambda: batch_approve(batch_id=batch.id, plan_sha256=plan, approved_by_id=world.approver.id)
        )
        world.bound(lambda: payouts_round(1))
        wait_until(_custody_is_done, 10, "the transfer is through")

    return step


@dataclass(frozen=True)
class Story:
    """Steps in the order in which they happen, and the state of the order that they must end in.

    ``known`` is how many of the first steps our side has followed before anything is late.
    """

    steps: tuple[Step, ...]
    ends: str
    known: int = 0


STORIES: Mapping[str, Story] = {
    "paid": Story((paid,), "paid"),
    "declined, then paid": Story((declined, paid), "paid"),
    "processing, then paid": Story((processing, settled("succeeded")), "paid"),
    "processing, then failed": Story((processing, settled("failed"), hold_over), "expired"),
    "processing beyond the hold, then paid": Story((processing, hold_over, settled("succeeded")), "paid"),
    "cancelled at Stripe": Story((cancelled_at_stripe,), "failed"),
    "paid, two partial refunds": Story((paid, refunded(333), refunded(701)), "paid"),
    "paid, full refund": Story((paid, refunded(2000)), "refunded"),
    "paid, refunded in two parts": Story((paid, refunded(1999), refunded(1)), "refunded"),
    "a refund fails and is made again": Story((paid, refunded(500), refund_failed, refunded(500)), "paid"),
    "a full refund fails, in parts again": Story(
        (paid, refunded(2000), refund_failed, refunded(1300), refunded(700)), "refunded"
    ),
    "dispute won": Story((paid, disputed(), disputed("won")), "paid"),
    "dispute lost": Story((paid, disputed(), disputed("lost")), "refunded"),
    "partial refund, dispute lost": Story((paid, refunded(501), disputed(), disputed("lost")), "refunded"),
    "dispute won, then refunded": Story((paid, disputed(), disputed("won"), refunded(800)), "paid"),
    "dispute won, lost to another": Story(
        (paid, disputed(), disputed("won"), disputed(), disputed("lost")), "refunded"
    ),
    "payout completed": Story((paid, sent()), "paid", known=1),
    "payout failed": Story((paid, sent("failed")), "paid", known=1),
    "payout failed with a hash": Story((paid, sent("failed_with_hash")), "paid", known=1),
    "payout rejected": Story((paid, sent("rejected")), "paid", known=1),
    "payout blocked": Story((paid, sent("blocked")), "paid", known=1),
    "payout of an unknown status": Story((paid, sent("unknown_status")), "paid", known=1),
    "payout of another amount": Story((paid, sent("wrong_amount")), "paid", known=1),
    "partial refund after a payout": Story((paid, sent(), refunded(700)), "paid", known=1),
    "full refund after a payout": Story((paid, sent(), refunded(2000)), "refunded", known=1),
    "dispute lost after a payout": Story((paid, sent(), disputed(), disputed("lost")), "refunded", known=1),
    "dispute won after a payout": Story((paid, sent(), disputed(), disputed("won")), "paid", known=1),
    "full refund after a failed payout": Story((paid, sent("failed"), refunded(2000)), "refunded", known=1),
    "dispute won after a failed payout": Story(
        (paid, sent("failed"), disputed(), disputed("won")), "paid", known=1
    ),
}


def _raw(event: dict[str, Any]) -> bytes:
    return json.dumps(event, sort_keys=True).encode()


def _stripe_events() -> list[dict[str, Any]]:
    return list(stripe("GET", "/v1/events?limit=100")["data"])[::-1]


def _custody_state() -> dict[str, Any]:
    answer = requests.get(f"{settings.FIREBLOCKS_API_BASE}/_sandbox/state", timeout=5)
    answer.raise_for_status()
    return dict(answer.json())


def _custody_events() -> list[dict[str, Any]]:
    return list(_custody_state()["events"])[::-1]


def _custody_is_done() -> bool:
    held = _custody_state()["transactions"]
    return bool(held) and all(one["status"] in SETTLED_AT_CUSTODY for one in held)
