"""What PostgreSQL refuses about payouts when Python is gone round."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError

from apps.payouts.leases import lease_due
from tests.payouts.scenes import Scene

pytestmark = pytest.mark.usefixtures("database", "bells_lost")


def refused_by(scene: Scene, statement: str, *values: Any) -> str:
    with pytest.raises(IntegrityError) as refused:
        scene.sql(statement, *values)
    return str(refused.value.__cause__.diag.constraint_name)  # type: ignore[union-attr]


@pytest.fixture
def scene(database: None) -> Scene:
    """One payout that is being submitted, with its open attempt."""
    scene = Scene()
    scene.ready()
    with scene.working():
        assert lease_due()
    return scene


@pytest.mark.parametrize("status", ["awaiting_approval", "ready", "cancelled"])
def test_a_payout_takes_no_step_back(scene: Scene, status: str) -> None:
    statement = (
        "UPDATE payouts_payout SET status = %s, next_attempt_at = CASE WHEN %s = 'ready' THEN now() END"
    )
    assert refused_by(scene, statement, status, status) == "payout_states"


@pytest.mark.parametrize(
    "change", ["amount_base_units = amount_base_units + 1", "to_address = '0x', settled_at = now()"]
)
def test_amount_and_address_never_change(scene: Scene, change: str) -> None:
    assert refused_by(scene, f"UPDATE payouts_payout SET {change}") == "payout_frozen"


def test_a_payout_is_not_paid_without_a_hash(scene: Scene) -> None:
    statement = "UPDATE payouts_payout SET status = 'paid', next_attempt_at = NULL"
    assert refused_by(scene, statement) == "payout_paid_has_hash"


def test_a_payout_in_work_cannot_be_lost_to_the_sweeper(scene: Scene) -> None:
    assert refused_by(scene, "UPDATE payouts_payout SET next_attempt_at = NULL") == "payout_in_work_is_due"


def test_a_payout_is_born_awaiting_approval(scene: Scene) -> None:
    statement = (
        "INSERT INTO payouts_payout SELECT (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid()))).*"
        " FROM payouts_payout p"
    )
    assert refused_by(scene, statement) == "payout_states"


def test_two_live_attempts_are_refused(scene: Scene) -> None:
    statement = (
        "INSERT INTO payouts_payoutattempt SELECT (jsonb_populate_record(a, jsonb_build_object("
        "'id', gen_random_uuid(), 'number', 2, 'external_id', 'another'))).* FROM payouts_payoutattempt a"
    )
    assert refused_by(scene, statement) == "payoutattempt_one_live"


def test_an_external_id_is_used_once(scene: Scene) -> None:
    statement = (
        "WITH closed AS (UPDATE payouts_payoutattempt SET status = 'failed' RETURNING id) "
        "SELECT count(*) FROM closed"
    )
    scene.sql(statement)
    again = (
        "INSERT INTO payouts_payoutattempt SELECT (jsonb_populate_record(a, jsonb_build_object("
        "'id', gen_random_uuid(), 'number', 2, 'status', 'open'))).* FROM payouts_payoutattempt a"
    )
    assert refused_by(scene, again) == "payoutattempt_external_id_once"


def test_a_failed_attempt_never_succeeds(scene: Scene) -> None:
    scene.sql("UPDATE payouts_payoutattempt SET status = 'failed'")
    assert (
        refused_by(scene, "UPDATE payouts_payoutattempt SET status = 'succeeded'") == "payoutattempt_states"
    )


def test_the_external_id_of_an_attempt_never_changes(scene: Scene) -> None:
    statement = "UPDATE payouts_payoutattempt SET external_id = 'new'"
    assert refused_by(scene, statement) == "payoutattempt_frozen"


def test_the_requester_cannot_be_written_as_the_approver(scene: Scene) -> None:
    scene.batch()
    statement = (
        "UPDATE payouts_payoutbatch SET status = 'approved', decided_by_id = requested_by_id, decided_at = now()"
        " WHERE status = 'draft'"
    )
    assert refused_by(scene, statement) == "payoutbatch_second_person"


def test_nobody_cannot_be_written_as_the_approver(scene: Scene) -> None:
    scene.batch()
    statement = (
        "UPDATE payouts_payoutbatch SET status = 'approved', decided_at = now() WHERE status = 'draft'"
    )
    assert refused_by(scene, statement) == "payoutbatch_second_person"


def test_the_rule_of_a_batch_cannot_be_softened(scene: Scene) -> None:
    scene.batch()
    assert refused_by(scene, "UPDATE payouts_payoutbatch SET rule = 'none'") == "payoutbatch_frozen"
