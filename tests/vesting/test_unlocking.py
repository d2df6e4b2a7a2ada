"""Releases unlock when the database says that their time has come."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.accounts.models import Membership
from apps.core.doorbells import ring
from apps.vesting.models import Release
from apps.vesting.services import allocation_grant
from apps.vesting.tasks import unlock_due, unlock_vesting_releases
from apps.vesting.unlocking import releases_unlock_due
from tests.factories import in_site, make_policy
from tests.payouts.scenes import Scene, Thread
from tests.waiting import wait_until
from tests.workers import WorkerProcess

pytestmark = pytest.mark.usefixtures("database")


def grant(scene: Scene, *, starts_at: datetime, parts: int = 10) -> Membership:
    """Daily parts, the first one a day after the start, and nothing at the start."""
    policy = make_policy(
        scene.site, f"{uuid4()}", tge_basis_points=0, cliff_count=0, parts=parts, period_unit="day"
    )
    buyer = scene.buyer()
    with in_site(scene.site):
        allocation_grant(
            asset_id=scene.asset.id,
            beneficiary_id=buyer.id,
            policy_id=policy.id,
            amount_base_units=100_000,
            source_kind="order",
            source_id=uuid4(),
            starts_at=starts_at,
        )
    return buyer


def days_ago(days: int) -> datetime:
    return timezone.now() - timedelta(days=days, minutes=1)


def unlock(scene: Scene, limit: int = 1000) -> int:
    with scene.working():
        return releases_unlock_due(limit)


def statuses(scene: Scene) -> list[str]:
    return [row.status for row in sorted(scene.releases(), key=lambda row: row.unlock_at)]


def test_only_what_is_due_unlocks() -> None:
    scene = Scene()
    grant(scene, starts_at=days_ago(3))
    assert unlock(scene) == 3
    assert statuses(scene) == ["unlocked"] * 3 + ["locked"] * 7


def test_the_time_of_unlocking_is_kept() -> None:
    scene = Scene()
    grant(scene, starts_at=days_ago(1))
    unlock(scene)
    [unlocked] = [row for row in scene.releases() if row.status == "unlocked"]
    assert unlocked.unlocked_at is not None and unlocked.unlocked_at > unlocked.unlock_at


def test_a_batch_takes_the_longest_due_first() -> None:
    scene = Scene()
    grant(scene, starts_at=days_ago(10))
    assert unlock(scene, 4) == 4
    assert statuses(scene) == ["unlocked"] * 4 + ["locked"] * 6


def test_unlocking_again_finds_nothing() -> None:
    scene = Scene()
    grant(scene, starts_at=days_ago(3))
    assert [unlock(scene), unlock(scene)] == [3, 0]


def test_another_sites_releases_stay_locked() -> None:
    north, asia = Scene("NA"), Scene("ASIA")
    grant(north, starts_at=days_ago(3))
    assert unlock(asia) == 0
    assert set(statuses(north)) == {"locked"}


def test_two_sweeps_at_once_share_the_work() -> None:
    # given a sweep that has not committed
    scene = Scene()
    grant(scene, starts_at=days_ago(10))
    with in_site(scene.site):
        first = releases_unlock_due(6)
        # when another one comes, then it takes the rest without waiting
        second = Thread(lambda: unlock(scene)).outcome()
    assert (first, second) == (6, 4)
    assert set(statuses(scene)) == {"unlocked"}


@pytest.mark.parametrize("task", [unlock_due, unlock_vesting_releases])
def test_a_sweep_goes_round_the_sites(task: object) -> None:
    scenes = [Scene("NA"), Scene("ASIA")]
    for scene in scenes:
        grant(scene, starts_at=days_ago(2))
    assert task() == "4 releases unlocked"  # type: ignore[operator]


def test_a_worker_unlocks_when_it_is_rung_for(celery_worker: WorkerProcess) -> None:
    scene = Scene()
    grant(scene, starts_at=days_ago(1))
    ring("apps.vesting.tasks.unlock_due")
    wait_until(lambda: "unlocked" in statuses(scene), 15, "the worker unlocks")


def test_more_than_a_round_rings_again(celery_worker: WorkerProcess) -> None:
    # given more due releases than a round takes from one site
    scene = Scene()
    grant(scene, starts_at=days_ago(5600), parts=5500)
    ring("apps.vesting.tasks.unlock_due")

    def all_unlocked() -> bool:
        with in_site(scene.site):
            return not Release.objects.filter(status="locked").exists()

    wait_until(all_unlocked, 30, "every round has rung the next one")
