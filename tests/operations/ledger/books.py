"""One site with rows of every kind that the ledger asks about, made by the product's own services.

Orders: pending, expired, paid, partly refunded, wholly refunded before and after its tokens left; the one of three
units has only been paid. Payouts: paid, submitted on chain, awaiting approval. An allocation that came from no order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from apps.accounts.models import Role
from apps.core.context import acting_as
from apps.orders.models import Order
from apps.payouts.batches import batch_approve
from apps.payouts.evm_models import EvmTransaction, EvmTransfer, HotWallet
from apps.payouts.leases import lease_due, send_counted
from apps.payouts.models import Payout, PayoutAttempt, PayoutBatch, PayoutStatus
from apps.payouts.settlement import Verdict, write
from apps.sites.scope import bind_site
from apps.vesting.payout_link import payout_batch_request
from apps.vesting.services import allocation_grant
from apps.vesting.unlocking import releases_unlock_due
from tests.factories import in_site, make_address, make_member
from tests.orders.scene import Sale, pay, refund_at_stripe


class Books(Sale):
    """Its one buyer bought eight times."""

    def __init__(self, code: str = "NA") -> None:
        super().__init__(code)
        self.operator = make_member(self.site, Role.OPERATOR)
        self.approver = make_member(self.site, Role.APPROVER)
        self._orders_without_tokens()
        sent = self._paid()
        self._leave(self._sent())
        self._refund(sent, 2000)
        self._submitted_on_chain()
        partly = self._paid()
        self._refund(partly, 700)
        self._refund(self._paid(), 2000)
        self._team()
        self._paid(quantity_units=3)
        self._unlock()
        self.draft = self._request()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Bound to the site as a task is."""
        with acting_as("task", "test"), bind_site(self.site.id):
            yield

    @contextmanager
    def anybody(self) -> Iterator[None]:
        """As a command that goes round the sites."""
        with acting_as("command", "test"):
            yield

    def payouts(self) -> list[Payout]:
        return list(Payout.objects.order_by("id"))

    def _orders_without_tokens(self) -> None:
        expired = self.place()
        self.end_hold(expired)
        assert self.process(expired).status == "expired"
        self.place()

    def _paid(self, quantity_units: int = 2) -> Order:
        order = self.place(quantity_units=quantity_units)
        pay(order)
        return self.process(order)

    def _refund(self, order: Order, amount_minor: int) -> None:
        refund_at_stripe(order, amount_minor)
        assert self.process(order).refunded_minor == amount_minor

    def _unlock(self) -> None:
        self.bound(lambda: releases_unlock_due(1000))

    def _request(self) -> PayoutBatch:
        made: PayoutBatch = self.bound(
            lambda: payout_batch_request(asset_id=self.asset.id, requested_by_id=self.operator.id)
        )
        return made

    def _sent(self) -> PayoutAttempt:
        """Everything that is unlocked, on its way: the one attempt."""
        self._unlock()
        batch = self._request()
        with self.working():
            batch_approve(batch_id=batch.id, plan_sha256=batch.plan_sha256, approved_by_id=self.approver.id)
            leased = lease_due()
            assert leased is not None and send_counted(leased)
            write(leased, Verdict(PayoutStatus.SUBMITTED), wait_s=3600, provider_transfer_id="t")
        with in_site(self.site):
            return PayoutAttempt.objects.get(id=leased.attempt_id)

    def _leave(self, attempt: PayoutAttempt) -> None:
        with self.working():
            with in_site_due(self, attempt):
                leased = lease_due()
            assert leased is not None
            write(leased, Verdict(PayoutStatus.PAID, tx_hash="0xabc"), wait_s=None, tx_hash="0xabc")

    def _submitted_on_chain(self) -> None:
        self._paid()
        attempt = self._sent()
        with in_site(self.site):
            payout = Payout.objects.get(id=attempt.payout_id)
            transfer = EvmTransfer.objects.create(
                attempt=attempt,
                wallet=HotWallet.objects.create(chain_id=31337, address=make_address()),
                nonce=0,
                contract_address=make_address(),
                to_address=payout.to_address,
                amount_base_units=payout.amount_base_units,
            )
            EvmTransaction.objects.create(
                transfer=transfer,
                number=1,
                gas_limit=60_000,
                max_fee_wei=2,
                max_priority_fee_wei=1,
                raw="0x00",
                tx_hash=f"0x{transfer.id.hex * 2}",
            )

    def _team(self) -> None:
        with in_site(self.site):
            allocation_grant(
                asset_id=self.asset.id,
                beneficiary_id=self.buyer.id,
                policy_id=self.policy.id,
                amount_base_units=1_000_003,
                source_kind="team",
                source_id=uuid4(),
                starts_at=timezone.now() + timedelta(days=1),
            )


@contextmanager
def in_site_due(books: Books, attempt: PayoutAttempt) -> Iterator[None]:
    """The attempt's payout is due at once."""
    with in_site(books.site):
        Payout.objects.filter(id=attempt.payout_id).update(next_attempt_at=timezone.now())
    yield
