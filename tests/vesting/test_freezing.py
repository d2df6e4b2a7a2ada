"""Pause and resume by staff, beside disputes: nothing moves while something stops it, and dates do not shift."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError
from django.urls import reverse

from apps.accounts.models import Role
from apps.payouts.outcomes import OutcomeKind
from apps.vesting.freeze_models import Freeze
from apps.vesting.freezing import allocation_pause, allocation_resume
from apps.vesting.unlocking import releases_unlock_due
from tests.admin.rows import entered, staff_of
from tests.clients import api_of
from tests.factories import in_site
from tests.orders.scene import wait_for_blocked
from tests.payouts.scenes import Thread
from tests.vesting.revoking_scene import Revoking
from tests.vesting.test_revocation import TOTAL
from tests.vesting.test_revoking import refused
from tests.vesting.test_revoking_races import RELEASES, held

pytestmark = pytest.mark.usefixtures("database", "bells_lost")


class Pausing(Revoking):
    """A partly vested allocation that staff pause."""

    def pause(self) -> Freeze:
        with self.working():
            return allocation_pause(
                allocation_id=self.allocation.id, reason="review", by_member_id=self.operator.id
            )

    def resume(self) -> Freeze:
        with self.working():
            return allocation_resume(
                allocation_id=self.allocation.id, reason="all well", by_member_id=self.approver.id
            )

    def unlock(self) -> int:
        with self.working():
            return releases_unlock_due(1000)


def test_nothing_unlocks_while_it_is_paused_and_what_fell_due_does_when_it_goes_on() -> None:
    scene = Pausing(unlocked=False)
    paused = scene.pause()
    assert (scene.unlock(), scene.sums(), paused.begun_by_id) == (0, {"frozen": TOTAL}, scene.operator.id)
    ended = scene.resume()
    assert scene.sums() == {"unlocked": scene.vested, "locked": scene.unvested}
    assert (ended.ended_by_id, ended.end_reason) == (scene.approver.id, "all well")


def test_it_is_paused_once_and_again_after_it_went_on() -> None:
    scene = Pausing()
    assert refused(scene.resume) == ("not_paused", 409)
    scene.pause()
    assert refused(scene.pause) == ("already_paused", 409)
    scene.resume()
    assert scene.pause().ended_at is None


def test_a_pause_and_a_dispute_each_keep_it_still_until_both_are_over() -> None:
    scene = Pausing()
    scene.pause()
    scene.freeze()
    scene.resume()
    assert scene.sums() == {"frozen": TOTAL}
    scene.pause()
    scene.thaw()
    assert scene.sums() == {"frozen": TOTAL}
    scene.resume()
    assert scene.sums() == {"unlocked": scene.vested, "locked": scene.unvested}


def test_an_unsent_payout_is_cancelled_and_one_that_is_sent_ends_as_it_does() -> None:
    scene = Pausing()
    sent = scene.submitted(scene.request(count=2))
    scene.request(count=1)
    scene.pause()
    on_its_way = sent[0].amount_base_units
    assert scene.sums() == {"processing": on_its_way, "frozen": TOTAL - on_its_way}
    scene.end(sent, OutcomeKind.PAID)
    assert scene.sums() == {"released": on_its_way, "frozen": TOTAL - on_its_way}


def test_a_transfer_that_comes_back_is_frozen_at_once() -> None:
    scene = Pausing()
    sent = scene.submitted(scene.request(count=2))
    scene.pause()
    scene.end(sent, OutcomeKind.FAILED)
    assert scene.sums() == {"frozen": TOTAL}
    scene.resume()
    assert scene.sums() == {"unlocked": scene.vested, "locked": scene.unvested}


def test_what_is_paused_can_be_revoked() -> None:
    scene = Pausing()
    scene.pause()
    scene.ask()
    assert scene.sums() == {"frozen": scene.vested, "revoked": scene.unvested}
    scene.approve(scene.ask("all"))
    assert refused(lambda: scene.resume() and scene.pause()) == ("nothing_to_pause", 409)


def test_a_batch_that_came_first_is_taken_back(admin_connection: Any) -> None:
    scene = Pausing()
    with held("SELECT 1 FROM accounts_wallet FOR UPDATE"):
        batch = Thread(scene.request)  # holds its releases and waits for the wallet
        wait_for_blocked(admin_connection, 1)
        pausing = Thread(scene.pause)
        wait_for_blocked(admin_connection, 2)
    pausing.outcome()
    batch.outcome()
    assert (scene.sums(), [p.status for p in scene.payouts()]) == ({"frozen": TOTAL}, ["cancelled"])


def test_a_transfer_that_fails_beside_it_is_frozen_whoever_is_first(admin_connection: Any) -> None:
    scene = Pausing()
    sent = scene.submitted(scene.request(count=2))
    with held(RELEASES):
        both = [Thread(scene.pause), Thread(lambda: scene.end(sent, OutcomeKind.FAILED))]
        wait_for_blocked(admin_connection, 2)
    for each in both:
        each.outcome()
    assert scene.sums() == {"frozen": TOTAL}


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        (
            "UPDATE vesting_release SET status = 'unlocked', frozen_from = '' WHERE number = 0",
            "release_frozen_while_stopped",
        ),
        ("UPDATE vesting_freeze SET ended_at = now(), ended_by_id = begun_by_id", "freeze_stops"),
        ("UPDATE vesting_freeze SET reason = 'another'", "freeze_frozen"),
        ("UPDATE vesting_freeze SET ended_at = now()", "freeze_ended_by"),
    ],
)
def test_the_database_refuses(statement: str, rule: str) -> None:
    scene = Pausing()
    scene.pause()
    with pytest.raises(IntegrityError) as caught:
        scene.sql(statement)
    assert caught.value.__cause__.diag.constraint_name == rule  # type: ignore[union-attr]


def test_nothing_is_frozen_without_a_reason() -> None:
    scene = Pausing()
    with pytest.raises(IntegrityError, match="frozen without a reason"):
        scene.sql(
            "UPDATE vesting_release SET frozen_from = status, status = 'frozen' WHERE status = 'locked'"
        )


def test_at_the_api_once_for_each_key_by_those_who_may() -> None:
    scene = Pausing()
    path = f"/api/v1/staff/vesting/allocations/{scene.allocation.id}"

    def post(verb: str, key: str, by: Any = scene.operator) -> Any:
        return api_of(by).post(f"{path}/{verb}/", {"reason": "review"}, headers={"Idempotency-Key": key})

    assert post("pause", "a", by=scene.owner).status_code == 403
    first, again = post("pause", "a"), post("pause", "a")
    assert (first.status_code, again.json()) == (201, first.json())
    assert post("pause", "b").json()["code"] == "already_paused"
    [listed] = api_of(scene.approver).get("/api/v1/staff/vesting/freezes/").json()["results"]
    assert (listed["id"], listed["cause"], listed["ended_at"]) == (first.json()["id"], "pause", None)
    assert post("resume", "c").json()["ended_by_id"] == str(scene.operator.id)
    assert api_of(scene.operator).post(f"{path}/pause/", {"reason": "x"}).status_code == 400


def test_in_the_admin() -> None:
    scene = Pausing()
    browser = entered(staff_of(scene.site, role=Role.OPERATOR), scene.site)
    fields = {"ids": str(scene.allocation.id), "reason": f"review {uuid4()}"}
    for verb, sums in (("pause", {"frozen": TOTAL}), ("resume", {"unlocked": scene.vested})):
        address = reverse("admin:vesting_allocation_ask", args=[verb])
        assert browser.post(address, fields).status_code == 302
        assert sums.items() <= scene.sums().items()
    with in_site(scene.site):
        assert Freeze.objects.get().reason == fields["reason"]
