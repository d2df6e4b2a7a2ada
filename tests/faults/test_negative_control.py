"""The campaign against a product that was broken on purpose: it must see what each promise is for.

Each is a whole campaign on a stack of its own, with a saboteur loaded into worker and beat by their settings module.
"""

from __future__ import annotations

import io
import os
import sys

import pytest

from devstack.chain.binary import NoAnvil, anvil_binary
from devstack.environment import state_directory
from devstack.faults.campaign import Result, run_campaign
from devstack.faults.catalogue import cells
from devstack.faults.plan import parse_only, schedule
from tests.servers import BACKEND, REPOSITORY

# Above twice what a single fault takes on a busy machine.
SETTLED_WITHIN_S, QUIET_WITHIN_S = 45.0, 5.0


@pytest.fixture(scope="module", autouse=True)
def _needs_a_chain() -> None:
    try:
        anvil_binary(state_directory())
    except NoAnvil as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


def campaign(only: str, *, settings: str = "", forgets_ids: bool = False) -> Result:
    """Every pair of ``only`` once, with this saboteur's settings."""
    saboteur = {
        "DJANGO_SETTINGS_MODULE": f"tests.faults.{settings}",
        "PYTHONPATH": f"{BACKEND}{os.pathsep}{REPOSITORY}",
    }
    told, pairs = io.StringIO(), parse_only(only)
    result = run_campaign(
        schedule(seed=1, runs=len(cells(pairs)), only=pairs),
        told,
        settled_within_s=SETTLED_WITHIN_S,
        quiet_within_s=QUIET_WITHIN_S,
        worker_environment=saboteur if settings else None,
        custody_forgets_ids=forgets_ids,
    )
    sys.stdout.write(
        "\n".join([told.getvalue(), *(str(one.told) for one in result.judgements), *result.wrong])
    )
    return result


def test_a_fresh_external_id_on_each_try_pays_twice() -> None:
    result = campaign("kill-child:custody-accepted", settings="fresh_ids_settings")

    assert result.doubled == 1
    assert not result.is_clean


def test_without_a_lease_two_workers_pay_twice() -> None:
    # Given a provider that promises nothing about external ids, so that only the lease stands between the two
    result = campaign("same-task-twice:send-counted", settings="no_lease_settings", forgets_ids=True)

    assert result.doubled == 1
    assert not result.is_clean


def test_with_the_lease_one_worker_pays_though_the_provider_would_pay_twice() -> None:
    result = campaign("same-task-twice:send-counted", forgets_ids=True)

    assert result.is_clean


def test_with_the_doorbell_alone_what_is_rung_in_vain_waits_for_ever() -> None:
    only = "redis-flush:inbox-committed, webhooks-lost:webhook-arrives, kill-child:payout-claimed"
    result = campaign(only, settings="bells_only_settings")

    assert result.stranded >= 2
    assert result.wrong  # rows that are due, and nobody comes
    assert (result.lost, result.doubled) == (0, 0)
