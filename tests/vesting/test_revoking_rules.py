"""What PostgreSQL refuses about revocations, whatever Python says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from tests.vesting.revoking_scene import Revoking

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
TAKE = (
    "UPDATE vesting_release SET status = 'revoked', revocation_id = (SELECT id FROM vesting_revocation)"
    " WHERE number = {number}"
)
FIRST, LAST = 0, 12


def refuses(scene: Revoking, rule: str, statement: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        scene.sql(statement)
    assert caught.value.__cause__.diag.constraint_name == rule  # type: ignore[union-attr]


def test_a_revocation_of_what_is_not_vested_takes_nothing_before_its_time_and_nothing_vested(
    admin_connection: Any,
) -> None:
    scene = Revoking()
    scene.ask(effective_at=timezone.now() + timedelta(hours=1))
    refuses(scene, "release_revoked_by_its_revocation", TAKE.format(number=LAST))
    scene.time_passes(admin_connection, hours=2)
    refuses(scene, "release_revoked_by_its_revocation", TAKE.format(number=FIRST))
    scene.sql(TAKE.format(number=LAST))
    assert scene.sums()["revoked"] > 0


def test_all_that_nobody_approved_takes_nothing() -> None:
    scene = Revoking()
    scene.ask("all")
    refuses(scene, "release_revoked_by_its_revocation", TAKE.format(number=LAST))
    refuses(
        scene,
        "revocation_second_person",
        "UPDATE vesting_revocation SET state = 'scheduled', due_at = now(), decided_by_id = asked_by_id,"
        " decided_at = now()",
    )


def test_a_release_that_goes_on_cannot_name_a_revocation() -> None:
    scene = Revoking()
    scene.ask()
    refuses(
        scene,
        "release_revoked_by_its_revocation",
        "UPDATE vesting_release SET revocation_id = (SELECT id FROM vesting_revocation) WHERE number = 0",
    )


def test_a_revoked_release_keeps_its_revocation() -> None:
    scene = Revoking()
    scene.ask()
    refuses(scene, "release_revocation_once", "UPDATE vesting_release SET revocation_id = NULL")


def test_nothing_is_done_while_something_is_left_to_take() -> None:
    scene = Revoking()
    scene.ask(effective_at=timezone.now() + timedelta(hours=1))
    refuses(
        scene,
        "revocation_complete",
        "UPDATE vesting_revocation SET state = 'done', due_at = NULL, finished_at = now()",
    )


def test_its_time_is_not_moved_nor_set_before_it_was_asked_for() -> None:
    scene = Revoking()
    scene.ask(effective_at=timezone.now() + timedelta(hours=1))
    refuses(scene, "revocation_frozen", "UPDATE vesting_revocation SET effective_at = now()")
    refuses(
        scene,
        "revocation_never_in_arrears",
        "INSERT INTO vesting_revocation (id, site_id, allocation_id, scope, state, effective_at, reason, asked_by_id,"
        " decision_note, stop_reason) SELECT gen_random_uuid(), site_id, allocation_id, 'unvested', 'asked',"
        " now() - interval '1 second', 'x', asked_by_id, '', '' FROM vesting_revocation",
    )
