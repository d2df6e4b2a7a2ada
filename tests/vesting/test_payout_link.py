"""Releases go into payouts once, and follow what becomes of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from apps.accounts.models import Wallet
from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.payouts.batches import RowsDisagree, batch_approve, batch_reject
from apps.payouts.models import PayoutBatch
from apps.payouts.submission import payouts_round
from apps.vesting import payout_link
from apps.vesting.models import Release
from apps.vesting.payout_link import payout_batch_request
from apps.vesting.tasks import reconcile_stuck_releases
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.databases import rules_off
from tests.factories import in_site, make_asset, make_wallet
from tests.payouts.scenes import TOKEN, Scene, Thread, order_fault, wait_for_status, wait_until_blocked

pytestmark = pytest.mark.usefixtures("database", "bells_lost")


def ask(scene: Scene, release_ids: list[UUID] | None = None, **fields: Any) -> PayoutBatch:
    with scene.working():
        return payout_batch_request(
            asset_id=scene.asset.id, requested_by_id=scene.operator.id, release_ids=release_ids, **fields
        )


def refusal(work: Any) -> tuple[int, str, list[str]]:
    with pytest.raises(Problem) as refused:
        work()
    return refused.value.status, refused.value.code, [e["detail"] for e in refused.value.errors or []]


def approve(scene: Scene, batch: PayoutBatch) -> None:
    with scene.working():
        batch_approve(batch_id=batch.id, plan_sha256=batch.plan_sha256, approved_by_id=scene.approver.id)


def work(scene: Scene) -> Any:
    with scene.working():
        return payouts_round(20)


def test_releases_of_one_beneficiary_share_a_payout() -> None:
    scene = Scene()
    ann, bob = scene.buyer(), scene.buyer()
    scene.unlocked(ann, 1, 2)
    scene.unlocked(bob, 4)
    batch = ask(scene)
    assert sorted(p.amount_base_units for p in scene.payouts(batch.id)) == [3, 4]
    payout_of = {release.amount_base_units: release.payout_id for release in scene.releases()}
    assert payout_of[1] == payout_of[2] != payout_of[4]
    assert {release.status for release in scene.releases()} == {"processing"}


def test_a_payout_goes_to_the_active_wallet() -> None:
    scene = Scene()
    ann = scene.buyer(wallet=False)
    active = make_wallet(ann)
    make_wallet(ann, is_active=False)
    scene.unlocked(ann, 1)
    ask(scene)
    assert scene.payout().to_address == active.address


def test_people_with_one_address_keep_their_own_payouts() -> None:
    scene = Scene()
    ann, bob = scene.buyer(), scene.buyer(wallet=False)
    with in_site(scene.site):
        address = Wallet.objects.get(member=ann).address
    make_wallet(bob, address)
    scene.unlocked(ann, 1)
    scene.unlocked(bob, 2)
    assert ask(scene).payout_count == 2


def test_named_releases_are_all_or_nothing() -> None:
    scene = Scene()
    [first, second] = scene.unlocked(scene.buyer(), 1, 2)
    ask(scene, [first])
    assert refusal(lambda: ask(scene, [first, second])) == (409, "release_not_payable", [str(first)])
    assert sorted(release.status for release in scene.releases()) == ["processing", "unlocked"]


def test_releases_of_another_asset_are_refused() -> None:
    scene = Scene()
    [release] = scene.unlocked(scene.buyer(), 1)
    scene.asset = make_asset(scene.site, "OTHER")
    assert refusal(lambda: ask(scene, [release]))[1] == "release_not_payable"


def test_another_sites_releases_are_refused() -> None:
    north, asia = Scene("NA"), Scene("ASIA")
    [release] = north.unlocked(north.buyer(), 1)
    assert refusal(lambda: ask(asia, [release])) == (409, "release_not_payable", [str(release)])


def test_a_named_beneficiary_without_a_wallet_is_named() -> None:
    scene = Scene()
    ann = scene.buyer(wallet=False)
    releases = scene.unlocked(ann, 1)
    assert refusal(lambda: ask(scene, releases)) == (409, "wallet_missing", [str(ann.id)])


def test_without_names_those_without_a_wallet_do_not_stop_the_others() -> None:
    scene = Scene()
    scene.unlocked(scene.buyer(wallet=False), 1)
    scene.unlocked(scene.buyer(), 2)
    assert ask(scene).total_base_units == 2


def test_nothing_payable_is_said() -> None:
    assert refusal(lambda: ask(Scene()))[:2] == (409, "nothing_payable")


def test_the_limit_counts_releases_the_longest_unlocked_first() -> None:
    scene = Scene()
    scene.unlocked(scene.buyer(), 1, 2, 4)
    assert ask(scene, limit=2).total_base_units == 3


def test_amounts_near_the_top_of_uint256_are_exact() -> None:
    scene = Scene()
    scene.unlocked(scene.buyer(), 2**255, 2**254 + 1)
    assert ask(scene).total_base_units == 2**255 + 2**254 + 1


def test_a_batch_of_many_releases_takes_few_statements(django_assert_max_num_queries: Any) -> None:
    scene = Scene()
    for _ in range(5):
        scene.unlocked(scene.buyer(), *range(1, 9))
    with django_assert_max_num_queries(14):
        ask(scene)


def _ask_at_once(scene: Scene, admin_connection: Any) -> Thread:
    """A batch that has not committed, and another one for the same release meanwhile."""
    [release] = scene.unlocked(scene.buyer(), 7)
    with in_site(scene.site):
        payout_batch_request(
            asset_id=scene.asset.id, requested_by_id=scene.operator.id, release_ids=[release]
        )
        second = Thread(lambda: ask(scene, [release]))
        wait_until_blocked(admin_connection)
    return second


def test_two_batches_at_once_do_not_share_a_release(admin_connection: Any) -> None:
    scene = Scene()
    assert refusal(_ask_at_once(scene, admin_connection).outcome)[1] == "release_not_payable"
    assert len(scene.payouts()) == 1


def test_without_lock_and_condition_a_release_would_be_in_two_payouts(
    admin_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlocked(_asset: UUID, release_ids: Any, _limit: int) -> list[Release]:
        return list(
            Release.objects.select_related("allocation").filter(id__in=release_ids, status="unlocked")
        )

    monkeypatch.setattr(payout_link, "_locked_payable", unlocked)
    monkeypatch.setattr(payout_link, "_TAKE", payout_link._TAKE.replace("AND r.status = 'unlocked'", ""))
    scene = Scene()
    _ask_at_once(scene, admin_connection).outcome()
    assert [payout.amount_base_units for payout in scene.payouts()] == [7, 7]


def test_without_the_lock_the_condition_still_refuses(
    admin_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlocked(_asset: UUID, release_ids: Any, _limit: int) -> list[Release]:
        return list(
            Release.objects.select_related("allocation").filter(id__in=release_ids, status="unlocked")
        )

    monkeypatch.setattr(payout_link, "_locked_payable", unlocked)
    with pytest.raises(RowsDisagree):
        _ask_at_once(Scene(), admin_connection).outcome()


# Following


def test_paid_releases_carry_the_hash(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = Scene()
    scene.unlocked(scene.buyer(), TOKEN, 2 * TOKEN)
    approve(scene, ask(scene))
    work(scene)
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    scene.make_due()
    work(scene)
    payout = scene.payout()
    assert {(r.status, r.tx_hash, r.payout_id) for r in scene.releases()} == {
        ("released", payout.tx_hash, payout.id)
    }
    assert all(release.released_at for release in scene.releases())


def test_a_failed_payout_gives_its_releases_back_and_they_are_paid_by_another(
    fireblocks_sandbox: FireblocksSandbox,
) -> None:
    scene = Scene()
    scene.unlocked(scene.buyer(), TOKEN)
    order_fault(fireblocks_sandbox, outcome="failed", operation="transactions.create")
    approve(scene, ask(scene))
    work(scene)
    wait_for_status(fireblocks_sandbox, "FAILED")
    scene.make_due()
    assert work(scene) == {"failed": 1}
    [release] = scene.releases()
    assert (release.status, release.payout_id) == ("unlocked", None)
    # when it is asked for again
    approve(scene, ask(scene))
    assert work(scene) == {"submitted": 1}
    assert len({attempt.external_id for attempt in scene.attempts()}) == 2


def test_the_trail_keeps_which_payout_failed(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = Scene()
    [release] = scene.unlocked(scene.buyer(), TOKEN)
    scene.sql("UPDATE sites_asset SET custody_vault_id = '404'")
    approve(scene, ask(scene))
    assert work(scene) == {"failed": 1}
    with in_site(scene.site):
        rows = list(AuditEvent.objects.filter(row_id=release).order_by("id"))
    assert rows[-1].before is not None and rows[-1].before["payout_id"] == str(scene.payout().id)


def test_a_held_payout_holds_its_releases_and_resumes_them(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = Scene()
    scene.unlocked(scene.buyer(), TOKEN)
    order_fault(fireblocks_sandbox, outcome="failed_with_hash", operation="transactions.create")
    approve(scene, ask(scene))
    work(scene)
    wait_for_status(fireblocks_sandbox, "FAILED")
    scene.make_due()
    assert work(scene) == {"held": 1}
    assert [release.status for release in scene.releases()] == ["held"]


def test_a_held_payout_that_goes_on_takes_its_releases_along(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = Scene()
    scene.unlocked(scene.buyer(), TOKEN)
    order_fault(fireblocks_sandbox, outcome="stuck", operation="transactions.create")
    approve(scene, ask(scene))
    work(scene)
    scene.sql(
        "UPDATE vesting_release SET status = 'held';"
        "UPDATE payouts_payout SET status = 'held', hold_code = 'transfer_missing'"
    )
    scene.make_due()
    assert work(scene) == {"submitted": 1}
    assert [release.status for release in scene.releases()] == ["processing"]


def test_a_rejected_batch_gives_its_releases_back() -> None:
    scene = Scene()
    scene.unlocked(scene.buyer(), 1, 2)
    batch = ask(scene)
    with scene.working():
        batch_reject(batch_id=batch.id, reason="no", rejected_by_id=scene.approver.id)
    assert {(r.status, r.payout_id) for r in scene.releases()} == {("unlocked", None)}
    assert ask(scene).total_base_units == 3


def test_an_outcome_that_a_release_cannot_follow_commits_nothing(
    fireblocks_sandbox: FireblocksSandbox, admin_connection: Any
) -> None:
    # given a release that somebody moved by hand, past the triggers
    scene = Scene()
    scene.unlocked(scene.buyer(), TOKEN)
    approve(scene, ask(scene))
    work(scene)
    with rules_off(admin_connection) as cursor:
        cursor.execute("UPDATE vesting_release SET status = 'released', released_at = now(), tx_hash = '0x1'")
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    scene.make_due()
    # then the payout does not settle behind its back
    assert work(scene) == {"error": 1}
    assert scene.payout().status == "submitted"


def test_reconciling_reports_by_outcome(fireblocks_sandbox: FireblocksSandbox) -> None:
    scene = Scene()
    scene.unlocked(scene.buyer(), TOKEN)
    approve(scene, ask(scene))
    assert reconcile_stuck_releases() == "1 submitted"
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    scene.make_due()
    assert reconcile_stuck_releases() == "1 paid"
    assert reconcile_stuck_releases() == "nothing due"
