"""Payouts by real worker processes, woken by doorbells; and a handler for what became of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.payouts import outcomes
from apps.payouts.external_ids import ExternalId, external_id_parse
from apps.payouts.outcomes import NobodyListens, Outcome, OutcomeKind, announce, register
from apps.payouts.submission import payout_check_now
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.factories import in_site
from tests.payouts.scenes import TOKEN, Scene, transfers, wait_for_status
from tests.waiting import wait_until
from tests.workers import WorkerProcess

pytestmark = pytest.mark.usefixtures("database")


def test_approval_wakes_a_worker_and_an_event_settles(
    celery_worker: WorkerProcess, fireblocks_sandbox: FireblocksSandbox
) -> None:
    scene = Scene()
    scene.ready(TOKEN)
    wait_until(lambda: scene.payout().status == "submitted", 15, "the worker has submitted")
    wait_for_status(fireblocks_sandbox, "COMPLETED")
    with scene.working():
        payout_check_now(attempt_id=scene.attempts()[0].id)
    wait_until(lambda: scene.payout().status == "paid", 15, "the worker has settled")
    assert len(transfers(fireblocks_sandbox)) == 1


def test_more_than_a_round_rings_again(
    celery_worker: WorkerProcess, fireblocks_sandbox: FireblocksSandbox
) -> None:
    scene = Scene()
    scene.ready(*[TOKEN] * 25)
    wait_until(lambda: {p.status for p in scene.payouts()} == {"submitted"}, 30, "all are submitted")
    assert len({transfer["externalTxId"] for transfer in transfers(fireblocks_sandbox)}) == 25


def test_an_external_id_names_site_and_attempt() -> None:
    scene = Scene()
    made = ExternalId(scene.site.id, scene.asset.id)
    assert external_id_parse(str(made)) == made


@pytest.mark.parametrize("text", [None, "", "posx-1-2", "POSX-" + "0" * 32 + "-" + "0" * 32, "x" * 500])
def test_anybody_elses_external_id_is_nobodys(text: str | None) -> None:
    assert external_id_parse(text) is None


@pytest.fixture
def no_handler() -> Iterator[None]:
    before, outcomes._handlers[:] = list(outcomes._handlers), []
    yield
    outcomes._handlers[:] = before


def test_without_a_handler_nothing_settles(no_handler: None) -> None:
    with in_site(Scene().site), pytest.raises(NobodyListens):
        announce([], Outcome(OutcomeKind.PAID))


def test_there_is_one_handler() -> None:
    with pytest.raises(ValueError, match="one outcome handler"):
        register(lambda _ids, _outcome: None)
