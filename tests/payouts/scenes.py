"""A site with people, an asset that the custody sandbox knows, and payouts in the state that a test is about."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import requests
from django.db import connection, connections

from apps.accounts.models import Membership, Role
from apps.core.context import acting_as
from apps.payouts.batches import PayoutLine, batch_approve, batch_create
from apps.payouts.models import Payout, PayoutAttempt, PayoutBatch
from apps.sites.scope import bind_site
from apps.vesting.models import Release
from apps.vesting.services import allocation_grant
from apps.vesting.unlocking import releases_unlock_due
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.factories import (
    in_site,
    make_address,
    make_asset,
    make_member,
    make_policy,
    make_site,
    make_wallet,
)
from tests.waiting import wait_until

TOKEN = 10**18
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


class Scene:
    """One site: an operator, an approver, and an asset of 18 decimals."""

    def __init__(self, code: str = "NA", **site: Any) -> None:
        self.site = make_site(code, **site)
        self.asset = make_asset(self.site)
        self.operator = make_member(self.site, Role.OPERATOR)
        self.approver = make_member(self.site, Role.APPROVER)
        self._policy: Any = None

    @contextmanager
    def working(self) -> Iterator[None]:
        """Bound to the site as a task is; nothing is open."""
        with acting_as("task", "test"), bind_site(self.site.id):
            yield

    def batch(self, *amounts: int, to_address: str | None = None) -> PayoutBatch:
        """A batch that waits for approval."""
        lines = [PayoutLine(to_address or make_address(), amount) for amount in amounts or (5 * TOKEN,)]
        with in_site(self.site):
            return batch_create(asset_id=self.asset.id, requested_by_id=self.operator.id, lines=lines)[0]

    def ready(self, *amounts: int) -> list[Payout]:
        """Payouts that were approved by a second person."""
        batch = self.batch(*amounts)
        with self.working():
            batch_approve(batch_id=batch.id, plan_sha256=batch.plan_sha256, approved_by_id=self.approver.id)
        return self.payouts(batch.id)

    def buyer(self, *, wallet: bool = True) -> Membership:
        """A member who is owed tokens."""
        member = make_member(self.site)
        if wallet:
            make_wallet(member)
        return member

    def unlocked(self, beneficiary: Membership, *amounts: int) -> list[UUID]:
        """Releases that can be paid out now, one allocation for each amount."""
        self._policy = self._policy or make_policy(
            self.site, "At once", tge_basis_points=10_000, parts=0, cliff_count=0
        )
        made = []
        with in_site(self.site):
            for amount in amounts:
                allocation = allocation_grant(
                    asset_id=self.asset.id,
                    beneficiary_id=beneficiary.id,
                    policy_id=self._policy.id,
                    amount_base_units=amount,
                    source_kind="order",
                    source_id=uuid4(),
                    starts_at=LONG_AGO,
                )
                made.append(Release.objects.get(allocation=allocation).id)
        with self.working():
            releases_unlock_due(1000)
        return made

    def payouts(self, batch_id: UUID | None = None) -> list[Payout]:
        with in_site(self.site):
            rows = Payout.objects.order_by("id")
            return list(rows.filter(batch_id=batch_id) if batch_id else rows)

    def payout(self) -> Payout:
        [payout] = self.payouts()
        return payout

    def attempts(self) -> list[PayoutAttempt]:
        with in_site(self.site):
            return list(PayoutAttempt.objects.order_by("id"))

    def releases(self) -> list[Release]:
        with in_site(self.site):
            return list(Release.objects.order_by("id"))

    def make_due(self) -> None:
        """As if the next look's time had come and every worker were gone."""
        self.sql(
            "UPDATE payouts_payout SET next_attempt_at = now(),"
            " lease_until = CASE WHEN lease_until IS NULL THEN NULL ELSE now() - interval '1 second' END"
            " WHERE next_attempt_at IS NOT NULL"
        )

    def sent_before(self, minutes: int) -> None:
        """As if the last send had been that long ago."""
        self.sql(f"UPDATE payouts_payoutattempt SET last_sent_at = now() - interval '{minutes} minutes'")

    def sql(self, statement: str, *values: Any) -> None:
        """Raw SQL as the app login in the site's scope."""
        with in_site(self.site), connection.cursor() as cursor:
            cursor.execute(statement, list(values))


def order_fault(sandbox: FireblocksSandbox, **fault: Any) -> None:
    """Order a fault of the sandbox's next matching request."""
    requests.post(f"{sandbox.base_url}/_sandbox/faults", json=fault, timeout=5).raise_for_status()


def transfers(sandbox: FireblocksSandbox) -> list[dict[str, Any]]:
    """Every transfer that the sandbox has accepted."""
    answer = requests.get(f"{sandbox.base_url}/_sandbox/state", timeout=5)
    answer.raise_for_status()
    return list(answer.json()["transactions"])


def wait_for_status(sandbox: FireblocksSandbox, *statuses: str) -> None:
    """Wait until every transfer at the sandbox has one of these statuses."""

    def arrived() -> bool:
        held = transfers(sandbox)
        return bool(held) and all(one["status"] in statuses for one in held)

    wait_until(arrived, 10, f"transfers are {statuses}")


class Thread(threading.Thread):
    """A thread with its own database connection; ``outcome()`` is what it returned, or raises what it raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work, self._error, self._answer = work, None, None
        self.start()

    def run(self) -> None:
        try:
            self._answer = self._work()
        except BaseException as error:  # handed to whoever asks for the outcome
            self._error = error  # type: ignore[assignment]
        finally:
            connections.close_all()

    def outcome(self) -> Any:
        self.join(15)
        assert not self.is_alive(), "the thread still waits"
        if self._error is not None:
            raise self._error
        return self._answer


def wait_until_blocked(admin_connection: Any) -> None:
    """Wait until some session of this database waits for a lock."""

    def blocked() -> bool:
        with admin_connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool(cursor.fetchone()[0])

    wait_until(blocked, 10, "a session waits for a lock")
