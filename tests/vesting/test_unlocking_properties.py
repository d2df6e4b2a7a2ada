"""What is unlocked at an instant does not depend on when, how often and in how large batches the task ran before."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.vesting.models import VestingPolicy
from apps.vesting.schedule import MAX_BASE_UNITS, Terms, parts_of, vested_at
from apps.vesting.services import allocation_grant
from apps.vesting.stored_terms import terms_of
from apps.vesting.unlocking import releases_unlock_due
from tests.databases import rules_off
from tests.factories import in_site, make_policy
from tests.payouts.scenes import Scene

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
SEEDS = range(4)
ALLOCATIONS, MOMENTS = 4, 12
Outcome = list[tuple[int, Any, int, str]]


class Owed(Scene):
    """A site with allocations of random terms and amounts up to 2**256 - 1; the same seed makes the same."""

    def __init__(self, code: str, seed: int, now: Any) -> None:
        super().__init__(code)
        self.granted: list[tuple[VestingPolicy, int, Any]] = []
        random = Random(seed)  # noqa: S311 - no secret
        for number in range(ALLOCATIONS):
            policy = make_policy(
                self.site,
                f"policy {number}",
                tge_basis_points=random.choice([0, 1, 2500, 9999]),
                cliff_count=random.randint(0, 3),
                cliff_unit=random.choice(["day", "week"]),
                parts=random.randint(1, 40),
                period_unit=random.choice(["day", "week", "month"]),
            )
            amount = random.choice([MAX_BASE_UNITS, MAX_BASE_UNITS - 1, random.randint(40, 10**24)])
            # Half an hour off every hour: no date is so near to a run that the clock decides.
            starts_at = now - timedelta(days=random.randint(0, 60), minutes=30)
            self.granted.append((policy, amount, starts_at))
            with in_site(self.site):
                allocation_grant(
                    asset_id=self.asset.id,
                    beneficiary_id=self.buyer(wallet=False).id,
                    policy_id=policy.id,
                    amount_base_units=amount,
                    source_kind="order",
                    source_id=uuid4(),
                    starts_at=starts_at,
                )

    def unlock(self, limit: int) -> int:
        with self.working():
            return releases_unlock_due(limit)

    def outcome(self) -> Outcome:
        """Every release with its state, in an order that both sites share."""
        return sorted(
            (row.number, row.unlock_at, row.amount_base_units, row.status) for row in self.releases()
        )

    def unlocked_base_units(self) -> int:
        return sum(amount for _number, _at, amount, status in self.outcome() if status == "unlocked")

    def vested_base_units(self, instant: Any) -> int:
        """What arithmetic alone says."""
        total = 0
        for policy, amount, starts_at in self.granted:
            terms = terms_of(policy)
            assert isinstance(terms, Terms)
            total += vested_at(parts_of(amount, terms, starts_at), instant)
        return total


def _pass(admin_connection: Any, ago: timedelta) -> None:
    with rules_off(admin_connection) as cursor:
        cursor.execute("UPDATE vesting_release SET unlock_at = unlock_at - %s", [ago])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_outcome_is_that_of_the_instant_however_the_task_ran(admin_connection: Any, seed: int) -> None:
    # Given the same allocations twice: one site's task runs again and again, the other's only at the end
    now, random = timezone.now(), Random(seed)  # noqa: S311 - no secret
    often, seldom = Owed("NA", seed, now), Owed("ASIA", seed, now)
    passed, was_behind = timedelta(), False
    for _ in range(MOMENTS):
        ago = timedelta(hours=random.randint(1, 24 * 20))
        _pass(admin_connection, ago)
        passed += ago
        for _ in range(random.randint(0, 3)):
            often.unlock(random.choice([1, 2, 7, 1000]))
        was_behind = was_behind or often.outcome() != seldom.outcome()

    # When both have run until nothing is left to do
    for site, limit in ((often, 3), (seldom, 1000)):
        while site.unlock(limit):
            pass

    # Then they are alike, and as arithmetic says, though they were not meanwhile
    assert often.outcome() == seldom.outcome()
    assert often.unlocked_base_units() == often.vested_base_units(now + passed) > 0
    assert was_behind
    assert often.unlock(1000) == 0
