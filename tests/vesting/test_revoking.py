"""Revoking by staff: what is vested stays, what is not goes; all only by two people; later ones from rows, once."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.core.problems import Problem
from apps.payouts.outcomes import OutcomeKind
from apps.vesting.models import Release
from apps.vesting.revocation import more_taken_back
from apps.vesting.revoking import revocation_ask
from apps.vesting.tasks import sweep_revocations
from apps.vesting.unlocking import releases_unlock_due
from tests.factories import in_site
from tests.vesting.revoking_scene import Revoking
from tests.vesting.test_revocation import PAID, TOTAL

pytestmark = pytest.mark.usefixtures("database", "bells_lost")


def refused(call: Any) -> tuple[str, int]:
    with pytest.raises(Problem) as caught:
        call()
    return caught.value.code, caught.value.status


def test_what_is_not_vested_is_revoked_and_what_is_stays_payable() -> None:
    scene = Revoking()
    done = scene.ask()
    assert (done.state, done.due_at, done.decided_by_id) == ("done", None, None)
    assert scene.sums() == {"unlocked": scene.vested, "revoked": scene.unvested}
    assert scene.vested and scene.unvested
    assert len(scene.request(count=100)) == 1


def test_what_is_vested_stays_also_before_it_is_unlocked() -> None:
    scene = Revoking(unlocked=False)
    scene.ask()
    assert scene.sums() == {"locked": scene.vested, "revoked": scene.unvested}
    with scene.working():
        releases_unlock_due(100)
    assert scene.sums() == {"unlocked": scene.vested, "revoked": scene.unvested}


def test_no_release_is_split_and_each_taken_one_names_its_revocation() -> None:
    scene = Revoking()
    done = scene.ask()
    assert {(r.status, r.revocation_id) for r in scene.releases()} == {
        ("unlocked", None),
        ("revoked", done.id),
    }
    assert len(scene.releases()) == 13


def test_tokens_that_a_dispute_froze_are_revoked_too_unless_they_are_vested() -> None:
    scene = Revoking()
    scene.freeze()
    scene.ask()
    assert scene.sums() == {"frozen": scene.vested, "revoked": scene.unvested}
    scene.thaw()
    assert scene.sums() == {"unlocked": scene.vested, "revoked": scene.unvested}


def test_all_for_cause_waits_for_another_person() -> None:
    scene = Revoking()
    asked = scene.ask("all")
    assert asked.state == "asked" and "revoked" not in scene.sums()
    assert refused(lambda: scene.approve(asked, by=scene.operator)) == ("second_person_needed", 403)
    assert scene.approve(asked).state == "done"
    assert scene.sums() == {"revoked": TOTAL}
    assert refused(lambda: scene.approve(asked)) == ("revocation_decided", 409)


def test_what_is_declined_takes_nothing_and_leaves_room_for_another() -> None:
    scene = Revoking()
    asked = scene.ask("all")
    assert refused(scene.ask) == ("revocation_open", 409)
    assert scene.decline(asked).state == "declined"
    assert "revoked" not in scene.sums()
    assert scene.ask().state == "done"


def test_all_takes_an_approved_payout_back_and_leaves_one_that_is_sent_to_end() -> None:
    scene = Revoking()
    sent = scene.submitted(scene.request(count=2))
    scene.request(count=1)
    on_its_way = sent[0].amount_base_units
    waiting = scene.approve(scene.ask("all"))
    assert (waiting.state, waiting.finished_at) == ("scheduled", None)
    assert scene.sums() == {"processing": on_its_way, "revoked": TOTAL - on_its_way}
    scene.end(sent, OutcomeKind.PAID)
    scene.sql("UPDATE vesting_revocation SET due_at = now()")
    assert (scene.look(), scene.look()) == (True, False)
    assert scene.seen(waiting).state == "done"
    assert scene.sums() == {"released": on_its_way, "revoked": TOTAL - on_its_way}


def test_a_transfer_that_comes_back_is_revoked_then() -> None:
    scene = Revoking()
    sent = scene.submitted(scene.request(count=2))
    waiting = scene.approve(scene.ask("all"))
    scene.end(sent, OutcomeKind.FAILED)
    scene.request(count=2)  # somebody asks for it again before a worker looks
    scene.sql("UPDATE vesting_revocation SET due_at = now()")
    assert scene.look()
    assert (scene.seen(waiting).state, scene.sums()) == ("done", {"revoked": TOTAL})


def test_a_payout_under_way_is_nothing_to_what_is_not_vested() -> None:
    scene = Revoking()
    [payout] = scene.request(count=100)
    assert scene.ask().state == "done"
    assert scene.sums() == {"processing": scene.vested, "revoked": scene.unvested}
    assert [p.status for p in scene.payouts()] == [payout.status]


def test_a_later_one_waits_for_its_time_and_takes_by_it(admin_connection: Any) -> None:
    scene = Revoking()
    asked = scene.ask(effective_at=timezone.now() + timedelta(days=40))
    assert (asked.state, asked.due_at) == ("scheduled", asked.effective_at)
    assert not scene.look() and "revoked" not in scene.sums()
    scene.time_passes(admin_connection, days=80)
    # Forty days late: what has fallen due since its time is unlocked, and a batch was asked for.
    with scene.working():
        releases_unlock_due(100)
    scene.request(count=100)
    sweep_revocations()
    with in_site(scene.site):
        late = set(Release.objects.filter(status="revoked").values_list("number", flat=True))
        kept = set(Release.objects.exclude(status="revoked").values_list("number", flat=True))
        effective = scene.seen(asked).effective_at
        after = set(Release.objects.filter(unlock_at__gt=effective).values_list("number", flat=True))
    assert (scene.seen(asked).state, late, kept) == ("done", after, set(range(13)) - after)
    assert after and kept


def test_a_look_that_dies_leaves_it_to_the_next_one(
    admin_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Revoking()
    asked = scene.ask(effective_at=timezone.now() + timedelta(days=1))
    scene.time_passes(admin_connection, days=2)

    def dies(*_args: object, **_fields: object) -> None:
        raise ConnectionError("the process is gone")

    with monkeypatch.context() as patched:
        patched.setattr("apps.vesting.revoking._step", dies)
        with pytest.raises(ConnectionError):
            scene.look()
    assert (scene.seen(asked).state, "revoked" in scene.sums()) == ("scheduled", False)
    assert (scene.look(), scene.look()) == (True, False)
    assert scene.seen(asked).state == "done"


def test_a_later_one_is_stopped_before_its_time_only(admin_connection: Any) -> None:
    scene = Revoking()
    asked = scene.ask(effective_at=timezone.now() + timedelta(days=1))
    stopped = scene.stop(asked)
    assert (stopped.state, stopped.stopped_by_id, stopped.due_at) == ("stopped", scene.approver.id, None)
    again = scene.ask(effective_at=timezone.now() + timedelta(days=1))
    scene.time_passes(admin_connection, days=2)
    assert refused(lambda: scene.stop(again)) == ("revocation_decided", 409)


def test_nothing_is_revoked_in_arrears_or_twice() -> None:
    scene = Revoking()
    past = timezone.now() - timedelta(minutes=1)
    assert refused(lambda: scene.ask(effective_at=past)) == ("effective_in_past", 400)
    scene.ask()
    assert refused(scene.ask) == ("nothing_to_revoke", 409)


def test_an_allocation_that_is_not_there_is_not_found() -> None:
    scene = Revoking()
    ask = partial(revocation_ask, scope="all", reason="x", asked_by_id=scene.operator.id)
    with scene.working():
        assert refused(lambda: ask(allocation_id=uuid4())) == ("not_found", 404)


def test_a_refund_counts_what_staff_revoked_and_takes_no_more_than_its_part() -> None:
    scene = Revoking()
    scene.ask()
    share = PAID * scene.unvested // TOTAL
    assert scene.revoke(share).revoked == 0
    assert scene.revoke(PAID).revoked == scene.vested
    assert scene.sums() == {"revoked": TOTAL}


def test_what_staff_revoked_is_not_mistaken_for_a_refund_that_failed() -> None:
    scene = Revoking()
    scene.ask()

    def more(returned_minor: int) -> bool:
        with in_site(scene.site):
            return more_taken_back(
                allocation_id=scene.allocation.id, returned_minor=returned_minor, paid_minor=PAID
            )

    assert not more(0)
    scene.revoke(PAID)
    assert more(0) and not more(PAID)
