"""Batches: the hash that people approve, and who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError

from apps.core.problems import Problem
from apps.payouts import batches
from apps.payouts.batches import PayoutLine, RowsDisagree, batch_approve, batch_create, batch_reject
from apps.payouts.models import PayoutBatch
from apps.payouts.plan import plan_sha256
from tests.databases import rules_off
from tests.factories import in_site, make_address
from tests.payouts.scenes import TOKEN, Scene, Thread, wait_until_blocked

pytestmark = pytest.mark.usefixtures("database", "bells_lost")


def approve(scene: Scene, batch: PayoutBatch, *, by: Any = None, plan: str | None = None) -> PayoutBatch:
    with scene.working():
        return batch_approve(
            batch_id=batch.id,
            plan_sha256=plan or batch.plan_sha256,
            approved_by_id=(by or scene.approver).id,
        )


def refusal(work: Any) -> tuple[int, str]:
    with pytest.raises(Problem) as refused:
        work()
    return refused.value.status, refused.value.code


def test_payouts_come_in_the_order_of_the_lines() -> None:
    scene = Scene()
    lines = [PayoutLine(make_address(), amount) for amount in (3, 1, 2)]
    with in_site(scene.site):
        batch, payouts = batch_create(asset_id=scene.asset.id, requested_by_id=scene.operator.id, lines=lines)
    assert [payout.amount_base_units for payout in payouts] == [3, 1, 2]
    assert (batch.total_base_units, batch.payout_count, batch.status) == (6, 3, "draft")


def test_the_hash_covers_address_amount_and_where_tokens_come_from() -> None:
    scene = Scene()
    line = (scene.site.id, "0x" + "1" * 40, 5)
    first = plan_sha256(scene.asset, [line])
    others = [
        plan_sha256(scene.asset, [(line[0], "0x" + "2" * 40, 5)]),
        plan_sha256(scene.asset, [(line[0], line[1], 6)]),
        plan_sha256(scene.asset, [line, line]),
    ]
    scene.asset.custody_vault_id = "9"
    others.append(plan_sha256(scene.asset, [line]))
    assert len({first, *others}) == 5


def test_a_second_person_approves_and_the_payouts_are_ready_and_due() -> None:
    scene = Scene()
    approved = approve(scene, scene.batch(1, 2))
    assert (approved.status, approved.decided_by_id) == ("approved", scene.approver.id)
    assert {(p.status, p.next_attempt_at is not None) for p in scene.payouts()} == {("ready", True)}


def test_the_requester_may_not_approve() -> None:
    scene = Scene()
    batch = scene.batch()
    assert refusal(lambda: approve(scene, batch, by=scene.operator)) == (403, "second_person_needed")


def test_a_site_may_let_one_person_do_both() -> None:
    scene = Scene(approval_rule="one_person")
    assert approve(scene, scene.batch(), by=scene.operator).status == "approved"


def test_below_the_assets_limit_nobody_is_asked() -> None:
    scene = Scene()
    scene.sql("UPDATE sites_asset SET auto_approve_below_base_units = 10")
    below, at_limit = scene.batch(4, 5), scene.batch(5, 5)
    assert (below.status, below.rule, below.decided_by_id) == ("approved", "none", None)
    assert (at_limit.status, at_limit.rule) == ("draft", "two_people")
    assert {p.status for p in scene.payouts(below.id)} == {"ready"}


def test_another_hash_is_refused() -> None:
    scene = Scene()
    batch = scene.batch()
    assert refusal(lambda: approve(scene, batch, plan="0" * 64)) == (409, "plan_changed")


def test_a_plan_whose_source_changed_since_is_refused() -> None:
    scene = Scene()
    batch = scene.batch()
    scene.sql("UPDATE sites_asset SET custody_vault_id = '9'")
    assert refusal(lambda: approve(scene, batch)) == (409, "plan_changed")


SLIP_IN = (
    "INSERT INTO payouts_payout SELECT (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid()))).*"
    " FROM payouts_payout p"
)


def test_a_payout_cannot_be_slipped_in_beside_the_plan() -> None:
    scene = Scene()
    scene.batch()
    with pytest.raises(IntegrityError, match="beyond what their batch says"):
        scene.sql(SLIP_IN)


def test_a_payout_slipped_in_past_the_triggers_is_refused_by_the_hash(admin_connection: Any) -> None:
    scene = Scene()
    batch = scene.batch()
    with rules_off(admin_connection) as cursor:
        cursor.execute(SLIP_IN)
    assert refusal(lambda: approve(scene, batch)) == (409, "plan_changed")


def test_a_rejected_batch_is_cancelled_and_stays_so() -> None:
    scene = Scene()
    batch = scene.batch(1, 2)
    with scene.working():
        rejected = batch_reject(batch_id=batch.id, reason="Wrong month", rejected_by_id=scene.approver.id)
    assert (rejected.status, rejected.reason) == ("rejected", "Wrong month")
    assert {p.status for p in scene.payouts()} == {"cancelled"}
    assert refusal(lambda: approve(scene, batch)) == (409, "batch_decided")


def test_another_sites_batch_is_not_there() -> None:
    north, asia = Scene("NA"), Scene("ASIA")
    batch = north.batch()
    assert refusal(lambda: approve(asia, batch)) == (404, "not_found")


def _approve_at_once(scene: Scene, admin_connection: Any) -> Thread:
    """One approval that has not committed, and a second one that comes meanwhile."""
    batch = scene.batch()
    with in_site(scene.site):
        batch_approve(batch_id=batch.id, plan_sha256=batch.plan_sha256, approved_by_id=scene.approver.id)
        second = Thread(lambda: approve(scene, batch))
        wait_until_blocked(admin_connection)
    return second


def test_of_two_approvals_at_once_one_is_told_so(admin_connection: Any) -> None:
    assert refusal(_approve_at_once(Scene(), admin_connection).outcome) == (409, "batch_decided")


def test_without_the_lock_only_the_row_count_stops_the_second(
    admin_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlocked(batch_id: Any) -> PayoutBatch:
        return PayoutBatch.objects.select_related("asset").get(id=batch_id)

    monkeypatch.setattr(batches, "_locked_draft", unlocked)
    with pytest.raises(RowsDisagree):
        _approve_at_once(Scene(), admin_connection).outcome()


def test_amounts_beyond_64_bits_are_exact() -> None:
    scene = Scene()
    batch = scene.batch(10**30 + 1, 10**30 + 2)
    assert batch.total_base_units == 2 * 10**30 + 3
    assert approve(scene, batch).total_base_units == 2 * 10**30 + 3
    assert sum(p.amount_base_units for p in scene.payouts()) > TOKEN
