"""What PostgreSQL refuses about held payouts when Python is gone round."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError

from apps.payouts.models import Payout
from apps.payouts.resolution_models import PayoutResolution
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.databases import rules_off
from tests.factories import in_site
from tests.payouts.held_scenes import EVIDENCE, OF_ANOTHER_PAYOUT, HeldScene, held_unknown

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
DECIDE = "UPDATE payouts_payoutresolution SET state = %s, decided_by_id = %s, decided_at = now()"


@pytest.fixture
def scene(database: None, bells_lost: None, fireblocks_sandbox: FireblocksSandbox) -> HeldScene:
    """One held payout."""
    return held_unknown(fireblocks_sandbox)


def refused_by(scene: HeldScene, statement: str, *values: Any) -> str:
    with pytest.raises(IntegrityError) as refused:
        scene.sql(statement, *values)
    return str(refused.value.__cause__.diag.constraint_name)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "changes",
    [
        "status = 'failed', next_attempt_at = NULL",
        "status = 'submitted', next_attempt_at = now()",
        f"status = 'paid', next_attempt_at = NULL, tx_hash = '{EVIDENCE}'",
    ],
)
def test_a_held_payout_goes_nowhere_by_an_update(scene: HeldScene, changes: str) -> None:
    assert refused_by(scene, f"UPDATE payouts_payout SET {changes}") == "payout_held_by_decision"


def test_other_evidence_than_two_people_agreed_on_pays_nothing(scene: HeldScene) -> None:
    scene.ask("settle", tx_hash=EVIDENCE)
    with pytest.raises(IntegrityError, match="payout_held_by_decision"), in_site(scene.site):
        PayoutResolution.objects.update(
            state="done", decided_by=scene.approver, decided_at="2026-01-01T00:00Z"
        )
        Payout.objects.update(status="paid", next_attempt_at=None, tx_hash="0x" + "cd" * 32)


@pytest.mark.parametrize("state", ["approved", "done"])
def test_the_asker_does_not_decide(scene: HeldScene, state: str) -> None:
    scene.ask("release")
    assert refused_by(scene, DECIDE, state, scene.operator.id) == "payoutresolution_second_person"


def test_nobody_decides_as_nobody(scene: HeldScene) -> None:
    scene.ask("release")
    statement = "UPDATE payouts_payoutresolution SET state = 'approved'"
    assert refused_by(scene, statement) == "payoutresolution_second_person"


@pytest.mark.parametrize(("action", "tx_hash"), [("settle", EVIDENCE), ("release", "")])
def test_nothing_is_done_that_the_payout_does_not_show(scene: HeldScene, action: str, tx_hash: str) -> None:
    scene.ask(action, tx_hash=tx_hash)
    assert refused_by(scene, DECIDE, "done", scene.approver.id) == "payoutresolution_true"


def test_what_was_asked_never_changes(scene: HeldScene) -> None:
    scene.ask("release")
    statement = "UPDATE payouts_payoutresolution SET action = 'settle', tx_hash = %s"
    assert refused_by(scene, statement, EVIDENCE) == "payoutresolution_frozen"


def test_who_decided_never_changes(scene: HeldScene) -> None:
    scene.approve(scene.ask("release"))
    statement = "UPDATE payouts_payoutresolution SET decided_by_id = %s"
    assert refused_by(scene, statement, scene.second.id) == "payoutresolution_decided_once"


def test_a_decision_is_not_taken_back(scene: HeldScene) -> None:
    scene.approve(scene.ask("release"))
    statement = "UPDATE payouts_payoutresolution SET state = 'asked'"
    assert refused_by(scene, statement) == "payoutresolution_states"


def _copy(scene: HeldScene, **changed: Any) -> str:
    pairs = ", ".join(f"'{name}', '{value}'" for name, value in {"id": uuid4(), **changed}.items())
    return (
        "INSERT INTO payouts_payoutresolution SELECT (jsonb_populate_record(r, "
        f"jsonb_build_object({pairs}))).* FROM payouts_payoutresolution r"
    )


def test_two_open_decisions_are_refused(scene: HeldScene) -> None:
    scene.ask("release")
    assert refused_by(scene, _copy(scene)) == "payoutresolution_one_open"


def test_a_decision_without_a_reason_is_refused(scene: HeldScene) -> None:
    scene.ask("release")
    assert refused_by(scene, _copy(scene, note="")) == "payoutresolution_has_reason"


def test_settling_without_evidence_is_refused(scene: HeldScene) -> None:
    scene.ask("settle", tx_hash=EVIDENCE)
    assert refused_by(scene, _copy(scene, tx_hash="")) == "payoutresolution_settle_has_evidence"


def test_nothing_waits_about_a_payout_that_went_on(scene: HeldScene) -> None:
    scene.ask("ask_again")
    leased = "UPDATE payouts_payout SET lease_token = gen_random_uuid(), lease_until = now()"
    scene.sql(leased)
    statement = "UPDATE payouts_payout SET status = 'submitted', next_attempt_at = now()"
    with pytest.raises(IntegrityError, match="still waits"):
        scene.sql(statement)


def test_another_payout_s_transaction_settles_nothing(scene: HeldScene, admin_connection: Any) -> None:
    scene.ask("settle", tx_hash=EVIDENCE)
    with rules_off(admin_connection) as cursor:
        cursor.execute(OF_ANOTHER_PAYOUT, [EVIDENCE])
    assert refused_by(scene, DECIDE, "done", scene.approver.id) == "payoutresolution_evidence_its_own"


def test_a_transaction_sent_for_another_payout_is_no_evidence(
    scene: HeldScene, admin_connection: Any
) -> None:
    scene.ask("settle", tx_hash=EVIDENCE)
    with rules_off(admin_connection) as cursor:
        cursor.execute(
            "INSERT INTO payouts_payoutattempt SELECT (jsonb_populate_record(a, jsonb_build_object('id', "
            "gen_random_uuid(), 'payout_id', gen_random_uuid(), 'external_id', 'x', 'tx_hash', %s::text))).* "
            "FROM payouts_payoutattempt a",
            [EVIDENCE],
        )
    assert refused_by(scene, DECIDE, "done", scene.approver.id) == "payoutresolution_evidence_its_own"
