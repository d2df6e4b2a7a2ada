"""Refunds and disputes beside what else moves the same tokens, forced to happen at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest

from apps.vesting.models import Release
from apps.vesting.revocation import Cause, allocation_revoke_part
from apps.vesting.unlocking import releases_unlock_due
from tests.factories import in_site
from tests.orders.returns_scene import TOKENS, Returns
from tests.orders.scene import (
    Parallel,
    dispute,
    refund_at_stripe,
    refunds_at_stripe,
    row_held,
    wait_for_blocked,
)

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")


@contextmanager
def held(statement: str) -> Iterator[Any]:
    """Somebody else holds rows until the block ends."""
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as other:
        with other.cursor() as cursor:
            cursor.execute("SET app.actor_kind = 'command'")
            cursor.execute(statement)
        yield other


def test_two_refunds_asked_for_at_once_do_not_exceed_the_payment(admin_connection: Any) -> None:
    sale = Returns()
    with row_held(sale.paid):
        both = Parallel(lambda: sale.ask(1500), lambda: sale.ask(1500))
        wait_for_blocked(admin_connection, 2)
    assert sorted(answer.status_code for answer in both.results()) == [201, 409]
    assert len(sale.refunds()) == 1


def test_two_workers_send_one_refund_once_and_revoke_once(admin_connection: Any) -> None:
    sale = Returns()
    sale.ask(500)
    with row_held(sale.paid):
        both = Parallel(sale.look, sale.look)
        wait_for_blocked(admin_connection, 2)
    assert [order.refunded_minor for order in both.results()] == [500, 500]
    assert (len(refunds_at_stripe()), len(sale.refunds()), sale.tokens()["revoked"]) == (1, 1, 25)


def test_a_refund_beside_an_unlock_counts_each_token_once(admin_connection: Any) -> None:
    sale = Returns()
    refund_at_stripe(sale.paid, 1000)
    # given an unlock that has changed its rows and not committed
    with held(
        "UPDATE vesting_release SET status = 'unlocked', unlocked_at = now() WHERE status = 'locked'"
    ) as other:
        looking = Parallel(sale.look)
        wait_for_blocked(admin_connection, 1)
        other.commit()
    assert looking.results()[0].refunded_minor == 1000
    assert sale.tokens() == {"unlocked": 50, "revoked": 50}


def test_control_without_the_lock_a_revocation_takes_rows_that_moved(admin_connection: Any) -> None:
    """The negative control: states read before the unlock commits, and written without asking again."""
    sale = Returns()
    with in_site(sale.site):
        seen = list(Release.objects.filter(status="locked").values_list("id", flat=True))
    with held(
        "UPDATE vesting_release SET status = 'unlocked', unlocked_at = now() WHERE status = 'locked'"
    ) as other:

        def naive() -> int:
            with in_site(sale.site):
                return Release.objects.filter(id__in=seen, status="locked").update(status="revoked")

        revoking = Parallel(naive)
        wait_for_blocked(admin_connection, 1)
        other.commit()
    # Nothing was revoked although 90 % were to be: the sum would be wrong in silence.
    assert revoking.results() == [0]


def test_a_dispute_beside_a_batch_request_leaves_nothing_payable(admin_connection: Any) -> None:
    sale = Returns()
    dispute(sale.paid)
    with held("SELECT 1 FROM vesting_release WHERE status = 'unlocked' FOR UPDATE") as other:
        both = Parallel(sale.batch, sale.look)
        wait_for_blocked(admin_connection, 2)
        other.rollback()
    both.results()
    # Whoever came first: one more look finds a batch that had been quicker, and cancels its payout.
    sale.look()
    assert sale.tokens() == {"frozen": 100}
    assert sale.payouts() in ([], ["cancelled"])


def test_two_revocations_at_once_take_one_total(admin_connection: Any) -> None:
    sale = Returns()
    allocation_id = sale.paid.allocation_id
    assert allocation_id is not None

    def revoke() -> int:
        with in_site(sale.site):
            return allocation_revoke_part(
                allocation_id=allocation_id,
                returned_minor=1000,
                paid_minor=2000,
                cause=Cause("refund", sale.paid.id),
            ).revoked

    with held("SELECT 1 FROM vesting_allocation FOR UPDATE") as other:
        both = Parallel(revoke, revoke)
        wait_for_blocked(admin_connection, 2)
        other.rollback()
    assert sorted(both.results()) == [0, TOKENS // 2]
    assert sale.bound(lambda: releases_unlock_due(10)) == 0
