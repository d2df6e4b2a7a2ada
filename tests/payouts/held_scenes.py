"""Payouts that are held for each of the reasons, and people who decide about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import Role
from apps.core.problems import Problem
from apps.payouts.batches import batch_approve
from apps.payouts.leases import lease_one
from apps.payouts.models import PayoutBatch, PayoutStatus
from apps.payouts.resolution_models import PayoutResolution
from apps.payouts.resolutions import resolution_approve, resolution_ask
from apps.payouts.settlement import Verdict, write
from apps.payouts.submission import payouts_round
from apps.vesting.payout_link import payout_batch_request
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.factories import in_site, make_member
from tests.payouts.scenes import TOKEN, Scene, order_fault, transfers, wait_for_status

CREATE = "transactions.create"
MORE_THAN_THERE_IS = 10**10 * TOKEN
EVIDENCE = "0x" + "ab" * 32
# Past every rule: a payout beside the held one that was paid by this transaction.
OF_ANOTHER_PAYOUT = (
    "INSERT INTO payouts_payout SELECT (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), "
    "'status', 'paid', 'tx_hash', %s::text, 'settled_at', now(), 'next_attempt_at', NULL))).* "
    "FROM payouts_payout p WHERE status = 'held'"
)


class HeldScene(Scene):
    """One release in one payout; ``second`` is another approver than the one of the batch."""

    def __init__(self, sandbox: FireblocksSandbox, code: str = "NA", amount: int = TOKEN) -> None:
        super().__init__(code)
        self.sandbox = sandbox
        self.second = make_member(self.site, Role.APPROVER)
        self.unlocked(self.buyer(), amount)
        self.pay()

    def pay(self) -> PayoutBatch:
        """A batch of what is unlocked, approved."""
        with self.working():
            batch = payout_batch_request(asset_id=self.asset.id, requested_by_id=self.operator.id)
        self.approve_batch(batch)
        return batch

    def approve_batch(self, batch: PayoutBatch) -> None:
        with self.working():
            batch_approve(batch_id=batch.id, plan_sha256=batch.plan_sha256, approved_by_id=self.approver.id)

    def work(self) -> dict[str, int]:
        """What a worker does now."""
        with self.working():
            return dict(payouts_round(20))

    def later(self) -> dict[str, int]:
        """What a worker does when the next look's time has come."""
        self.make_due()
        return self.work()

    def ask(self, action: str, **fields: Any) -> PayoutResolution:
        [payout] = [each for each in self.payouts() if each.status == "held"]
        with self.working():
            return resolution_ask(
                payout_id=payout.id,
                action=action,
                note="seen at the provider",
                asked_by_id=self.operator.id,
                **fields,
            )

    def approve(self, resolution: PayoutResolution, *, by: Any = None) -> PayoutResolution:
        with self.working():
            return resolution_approve(
                resolution_id=resolution.id, decided_by_id=(by or self.approver).id, note="seen too"
            )

    def hold(self, hold_code: str = "transfer_missing") -> None:
        """Hold what is submitted, as a worker does."""
        [payout] = [each for each in self.payouts() if each.status == "submitted"]
        with self.working():
            leased = lease_one(payout.id)
            assert leased is not None
            write(leased, Verdict(PayoutStatus.HELD, hold_code=hold_code), wait_s=None)

    def resolution(self) -> tuple[str, str]:
        """State and result of the newest."""
        with in_site(self.site):
            newest = PayoutResolution.objects.order_by("-id")[0]
        return newest.state, newest.result

    def states(self) -> tuple[list[str], list[str], list[str]]:
        """Of payouts, attempts and releases."""
        return (
            [each.status for each in self.payouts()],
            [each.status for each in self.attempts()],
            [each.status for each in self.releases()],
        )


def held_after(sandbox: FireblocksSandbox, outcome: str, last: str) -> HeldScene:
    """Held because of how the transfer ended at the provider."""
    scene = HeldScene(sandbox)
    order_fault(sandbox, outcome=outcome, operation=CREATE)
    scene.work()
    wait_for_status(sandbox, last)
    assert scene.later() == {"held": 1}
    return scene


def held_by_mistake(sandbox: FireblocksSandbox) -> HeldScene:
    """Held, although the provider completes exactly what was approved."""
    scene = HeldScene(sandbox)
    scene.work()
    scene.hold()
    wait_for_status(sandbox, "COMPLETED")
    return scene


def held_unknown(sandbox: FireblocksSandbox) -> HeldScene:
    """Held because an unanswered send was followed by a refused one; the provider knows no transfer."""
    scene = HeldScene(sandbox, amount=MORE_THAN_THERE_IS)
    order_fault(sandbox, fault="error_500_before", operation=CREATE)
    scene.work()
    scene.later()
    scene.sent_before(minutes=11)
    assert scene.later() == {"held": 1}
    assert transfers(sandbox) == []
    return scene


def refusal(work: Callable[[], Any]) -> tuple[int, str]:
    """Status and code of the Problem that ``work`` raises."""
    with pytest.raises(Problem) as refused:
        work()
    return refused.value.status, refused.value.code
