"""Tokens of returned money: revoked in proportion, frozen and thawed, or owed back; and what SQL refuses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError
from django.utils import timezone

from apps.payouts.batches import batch_approve, batch_reject
from apps.payouts.models import Payout, PayoutBatch
from apps.payouts.outcomes import Outcome, OutcomeKind
from apps.vesting.freezing import allocation_freeze, allocation_thaw
from apps.vesting.models import Receivable, Release
from apps.vesting.payout_link import payout_batch_request, releases_follow
from apps.vesting.queries import sums_by_asset
from apps.vesting.revocation import (
    Cause,
    Revoked,
    allocation_revoke_part,
)
from apps.vesting.services import allocation_grant
from apps.vesting.unlocking import releases_unlock_due
from tests.factories import in_site, make_policy
from tests.payouts.scenes import LONG_AGO, Scene

TOTAL, PAID = 1_000_003, 2000
CAUSE = Cause("refund", uuid4())
pytestmark = pytest.mark.usefixtures("database", "bells_lost")


class Vested(Scene):
    """An allocation of 13 releases, of which all were due long ago."""

    def __init__(self, code: str = "NA", *, unlocked: bool = True, starts_at: datetime = LONG_AGO) -> None:
        super().__init__(code)
        self.owner = self.buyer()
        policy = make_policy(self.site)
        with in_site(self.site):
            self.allocation = allocation_grant(
                asset_id=self.asset.id,
                beneficiary_id=self.owner.id,
                policy_id=policy.id,
                amount_base_units=TOTAL,
                source_kind="order",
                source_id=uuid4(),
                starts_at=starts_at,
            )
        if unlocked:
            with self.working():
                releases_unlock_due(1000)

    def revoke(self, returned_minor: int) -> Revoked:
        with in_site(self.site):
            return allocation_revoke_part(
                allocation_id=self.allocation.id, returned_minor=returned_minor, paid_minor=PAID, cause=CAUSE
            )

    def freeze(self) -> int:
        with in_site(self.site):
            return allocation_freeze(allocation_id=self.allocation.id)

    def thaw(self) -> None:
        with in_site(self.site):
            allocation_thaw(allocation_id=self.allocation.id)

    def sums(self) -> dict[str, int]:
        """Base units by state; every sum of the API is made of these."""
        with in_site(self.site):
            [sums] = sums_by_asset(allocation_id=self.allocation.id)
        assert sums.total_base_units == TOTAL
        return {status: amount for status, amount in sums.by_status.items() if amount}

    def owed(self) -> int:
        with in_site(self.site):
            return sum(row.amount_base_units for row in Receivable.objects.all())

    def request(self, count: int = 3) -> list[Payout]:
        with self.working():
            batch = payout_batch_request(
                asset_id=self.asset.id, requested_by_id=self.operator.id, limit=count
            )
        return self.payouts(batch.id)

    def submitted(self, payouts: list[Payout]) -> list[Payout]:
        """As if these payouts were on their way at the provider."""
        for status in ("ready", "submitting", "submitted"):
            self.sql(
                "UPDATE payouts_payout SET status = %s, next_attempt_at = now() WHERE status <> 'cancelled'",
                status,
            )
        return payouts

    def end(self, payouts: list[Payout], kind: OutcomeKind) -> None:
        """What the payouts room says when they have ended."""
        ids = [payout.id for payout in payouts]
        with in_site(self.site):
            Payout.objects.filter(id__in=ids).update(
                status=kind.value, next_attempt_at=None, tx_hash="0xabc" if kind is OutcomeKind.PAID else ""
            )
            releases_follow(ids, Outcome(kind, "0xabc"))


def test_a_part_is_revoked_in_proportion_and_amounts_stay() -> None:
    scene = Vested()
    assert scene.revoke(500) == Revoked(revoked=TOTAL // 4)
    assert scene.sums() == {"unlocked": TOTAL - TOTAL // 4, "revoked": TOTAL // 4}
    parts = [release for release in scene.releases() if release.split_of_id]
    originals: dict[UUID | None, Release] = {r.id: r for r in scene.releases() if r.status == "replaced"}
    assert len(originals) == 13 and len(parts) == 26
    assert {p.unlock_at == originals[p.split_of_id].unlock_at for p in parts} == {True}
    kept = [p for p in parts if p.status == "unlocked"]
    assert all(p.unlocked_at is not None for p in kept)
    assert all(
        abs(4 * p.amount_base_units - 3 * originals[p.split_of_id].amount_base_units) <= 4 for p in kept
    )


def test_the_same_total_again_changes_nothing() -> None:
    scene = Vested()
    scene.revoke(500)
    before = [(r.id, r.status) for r in scene.releases()]
    assert (scene.revoke(500), scene.revoke(400)) == (Revoked(), Revoked())
    assert [(r.id, r.status) for r in scene.releases()] == before


def test_many_partial_refunds_end_where_one_does() -> None:
    scene = Vested(unlocked=False)
    for returned in (1, 3, 700, 701, 1999):
        scene.revoke(returned)
        assert scene.sums()["revoked"] == TOTAL * returned // PAID
    scene.revoke(PAID)
    assert scene.sums() == {"revoked": TOTAL}


def test_an_unsent_payout_is_cancelled_for_it() -> None:
    scene = Vested()
    scene.request()
    assert scene.revoke(PAID) == Revoked(revoked=TOTAL)
    assert (scene.sums(), [p.status for p in scene.payouts()]) == ({"revoked": TOTAL}, ["cancelled"])


def test_the_others_of_a_batch_can_still_be_approved() -> None:
    scene = Vested()
    scene.unlocked(scene.buyer(), 77)
    scene.request(100)
    scene.revoke(PAID)
    with in_site(scene.site):
        batch = PayoutBatch.objects.get()
    with scene.working():
        batch_approve(batch_id=batch.id, plan_sha256=batch.plan_sha256, approved_by_id=scene.approver.id)
    assert sorted(payout.status for payout in scene.payouts()) == ["cancelled", "ready"]


def test_the_others_of_a_batch_can_still_be_rejected() -> None:
    scene = Vested()
    scene.unlocked(scene.buyer(), 77)
    batch_id = scene.request(100)[0].batch_id
    scene.revoke(PAID)
    with scene.working():
        batch_reject(batch_id=batch_id, reason="no", rejected_by_id=scene.approver.id)
    assert [payout.status for payout in scene.payouts()] == ["cancelled", "cancelled"]


def test_what_was_paid_out_is_owed_back_and_never_revoked() -> None:
    scene = Vested()
    scene.end(scene.submitted(scene.request()), OutcomeKind.PAID)
    released = scene.sums()["released"]
    # what is left covers a part of the refund: nothing is owed
    assert scene.revoke(200).owed == 0
    # everything: the rest is owed, once
    assert scene.revoke(PAID).owed == released
    assert (scene.revoke(PAID), scene.owed()) == (Revoked(), released)
    assert scene.sums() == {"released": released, "revoked": TOTAL - released}


def test_what_is_being_sent_waits_for_its_outcome_paid() -> None:
    scene = Vested()
    payouts = scene.submitted(scene.request())
    in_flight = scene.sums()["processing"]
    assert scene.revoke(PAID) == Revoked(revoked=TOTAL - in_flight, waiting=in_flight)
    scene.end(payouts, OutcomeKind.PAID)
    assert scene.revoke(PAID) == Revoked(owed=in_flight)
    assert scene.owed() == in_flight


def test_what_is_being_sent_waits_for_its_outcome_failed() -> None:
    scene = Vested()
    payouts = scene.submitted(scene.request())
    waiting = scene.revoke(PAID).waiting
    scene.end(payouts, OutcomeKind.FAILED)
    assert scene.revoke(PAID) == Revoked(revoked=waiting)
    assert (scene.sums(), scene.owed()) == ({"revoked": TOTAL}, 0)


def test_frozen_releases_remember_and_thaw_by_their_day() -> None:
    scene = Vested(unlocked=False)
    assert scene.freeze() == 0
    assert {(r.status, r.frozen_from) for r in scene.releases()} == {("frozen", "locked")}
    # their day came while they were frozen
    with scene.working():
        assert releases_unlock_due(1000) == 0
    scene.thaw()
    assert {(r.status, r.frozen_from, r.unlocked_at is None) for r in scene.releases()} == {
        ("unlocked", "", False)
    }


def test_a_frozen_release_whose_day_has_not_come_thaws_locked() -> None:
    scene = Vested(unlocked=False, starts_at=timezone.now() + timedelta(days=1))
    scene.freeze()
    scene.thaw()
    assert {(r.status, r.frozen_from, r.unlocked_at) for r in scene.releases()} == {("locked", "", None)}


def test_freezing_cancels_unsent_payouts_and_tells_what_is_on_its_way() -> None:
    scene = Vested()
    scene.request()
    assert scene.freeze() == 0
    assert scene.sums() == {"frozen": TOTAL}
    scene.thaw()
    scene.submitted(scene.request())
    on_its_way = scene.sums()["processing"]
    assert scene.freeze() == on_its_way
    assert scene.sums() == {"frozen": TOTAL - on_its_way, "processing": on_its_way}


def test_frozen_releases_are_revoked_in_parts_and_stay_frozen() -> None:
    scene = Vested()
    scene.freeze()
    scene.revoke(1000)
    assert scene.sums() == {"frozen": TOTAL - TOTAL // 2, "revoked": TOTAL // 2}
    scene.thaw()
    assert scene.sums() == {"unlocked": TOTAL - TOTAL // 2, "revoked": TOTAL // 2}


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE vesting_release SET status = 'replaced' WHERE status = 'unlocked'", "release_split_whole"),
        ("UPDATE vesting_release SET status = 'unlocked' WHERE status = 'replaced'", "release_states"),
        ("UPDATE vesting_release SET status = 'unlocked' WHERE status = 'revoked'", "release_states"),
        ("UPDATE vesting_release SET split_of_id = id WHERE split_of_id IS NULL", "release_split_of_frozen"),
        (
            "UPDATE vesting_release SET status = 'frozen' WHERE status = 'unlocked'",
            "release_frozen_from_a_state",
        ),
        (
            "UPDATE vesting_release SET frozen_from = 'locked' WHERE status = 'unlocked'",
            "release_frozen_from_a_state",
        ),
        (
            "INSERT INTO vesting_release (id, site_id, schedule_id, allocation_id, number, unlock_at,"
            " amount_base_units, status, tx_hash, split_of_id) SELECT gen_random_uuid(), site_id, schedule_id,"
            " allocation_id, 999, unlock_at, 1, 'locked', '', id FROM vesting_release LIMIT 1",
            "release_live_sum_within_schedule",
        ),
        (
            "INSERT INTO vesting_receivable (id, site_id, allocation_id, amount_base_units, cause_kind, cause_id,"
            " created_at) SELECT gen_random_uuid(), site_id, id, 1, 'refund', id, now() FROM vesting_allocation",
            "receivable_within_released",
        ),
    ],
)
def test_raw_sql_cannot_bend_a_revocation(statement: str, rule: str) -> None:
    scene = Vested()
    scene.revoke(500)
    with pytest.raises(IntegrityError) as refused:
        scene.sql(statement)
    assert diagnosed(refused.value) == rule


@pytest.mark.parametrize("statement", ["UPDATE vesting_receivable SET amount_base_units = 1"])
def test_what_is_owed_is_never_changed(statement: str, admin_connection: Any) -> None:
    scene = Vested()
    scene.end(scene.submitted(scene.request()), OutcomeKind.PAID)
    scene.revoke(PAID)
    with pytest.raises(Exception, match="never changed"), admin_connection.cursor() as cursor:
        cursor.execute(statement)


def diagnosed(error: IntegrityError) -> str:
    return str(error.__cause__.diag.constraint_name)  # type: ignore[union-attr]


def test_unlocking_beside_a_revocation_changes_no_sum() -> None:
    scene = Vested(unlocked=False)
    scene.revoke(500)
    with scene.working():
        releases_unlock_due(1000)
    with in_site(scene.site):
        assert not Release.objects.filter(status="locked").exists()
    assert scene.sums() == {"unlocked": TOTAL - TOTAL // 4, "revoked": TOTAL // 4}
