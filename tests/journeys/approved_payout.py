"""An approved payout as the rooms make it, and what became of it, seen from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import requests
from django.utils import timezone

from apps.core.context import acting_as
from apps.payouts.batches import batch_approve
from apps.payouts.fireblocks_models import FireblocksAsset
from apps.payouts.models import Payout
from apps.sites.models import Site
from apps.sites.scope import bind_site
from apps.vesting.payout_link import payout_batch_request
from apps.vesting.services import allocation_grant
from apps.vesting.unlocking import releases_unlock_due
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.factories import in_site, make_asset, make_member, make_policy, make_site, make_wallet

AMOUNT_BASE_UNITS = 123_456_789_012_345_678_901  # more digits than a float holds
SWEEP = "apps.payouts.tasks.sweep_payouts"


@dataclass(frozen=True)
class ApprovedPayout:
    """One payout of one buyer's two unlocked releases, approved by a second person; nobody has worked on it."""

    site: Site
    payout_id: UUID
    address: str


def given_approved_payout() -> ApprovedPayout:
    """A buyer whose whole allocation is unlocked and approved. Approving rings for a worker."""
    site = make_site()
    asset = make_asset(site)
    buyer, operator, approver = (
        make_member(site),
        make_member(site, "operator"),
        make_member(site, "approver"),
    )
    wallet = make_wallet(buyer)
    policy = make_policy(
        site, tge_basis_points=2500, cliff_count=0, parts=1, starts_at=timezone.now() - timedelta(days=60)
    )
    with in_site(site):
        # Its decimals were asked for before: the first call of a worker is the one that sends.
        FireblocksAsset.objects.create(custody_asset_id=asset.custody_asset_id, decimals=asset.decimals)
        allocation_grant(
            asset_id=asset.id,
            beneficiary_id=buyer.id,
            policy_id=policy.id,
            amount_base_units=AMOUNT_BASE_UNITS,
            source_kind="order",
            source_id=uuid4(),
            starts_at=timezone.now(),
        )
    with acting_as("command", "test"), bind_site(site.id):
        releases_unlock_due(10)
        batch = payout_batch_request(asset_id=asset.id, requested_by_id=operator.id)
        batch_approve(batch_id=batch.id, plan_sha256=batch.plan_sha256, approved_by_id=approver.id)
    with in_site(site):
        payout = Payout.objects.get(batch_id=batch.id)
    return ApprovedPayout(site, payout.id, wallet.address)


def transfers_at(sandbox: FireblocksSandbox) -> list[dict[str, Any]]:
    """Every transfer that custody has accepted."""
    state = requests.get(f"{sandbox.base_url}/_sandbox/state", timeout=5).json()
    return list(state["transactions"])


def order_fault(sandbox: FireblocksSandbox, **fault: object) -> None:
    """Have the sandbox misbehave once."""
    requests.post(f"{sandbox.base_url}/_sandbox/faults", json=fault, timeout=5).raise_for_status()


class Records:
    """The rows of one payout, read as the superuser."""

    def __init__(self, connection: Any, payout_id: UUID) -> None:
        self._connection = connection
        self._payout_id = str(payout_id)

    def payout_status(self) -> str:
        """The payout's state."""
        return str(self._rows("SELECT status FROM payouts_payout WHERE id = %s")[0][0])

    def attempts(self) -> list[tuple[str, int]]:
        """State and number of sends of each attempt."""
        statement = "SELECT status, sends FROM payouts_payoutattempt WHERE payout_id = %s ORDER BY number"
        return [(str(status), int(sends)) for status, sends in self._rows(statement)]

    def releases(self) -> list[tuple[str, str, int]]:
        """State, transaction hash and amount of each release that the payout carries."""
        statement = "SELECT status, tx_hash, amount_base_units FROM vesting_release WHERE payout_id = %s"
        return [(str(status), str(tx), int(amount)) for status, tx, amount in self._rows(statement)]

    def history(self, table: str, ids: str) -> list[list[str]]:
        """For each row, the states that its audit trail tells; `ids` selects the rows by the payout's id."""
        statement = (
            "SELECT row_id, array_agg(after->>'status' ORDER BY at) FROM audit_auditevent"
            f" WHERE table_name = '{table}' AND row_id IN ({ids}) GROUP BY row_id"
        )
        return [list(states) for _row, states in self._rows(statement)]

    def lease_runs_out(self) -> None:
        """As if the time of the lease had passed."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                "UPDATE payouts_payout SET lease_until = now() - interval '1 s',"
                " next_attempt_at = now() - interval '1 s' WHERE id = %s",
                [self._payout_id],
            )

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, [self._payout_id])
            return list(cursor.fetchall())
