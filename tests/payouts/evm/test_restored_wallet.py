"""A database restored from before a hot wallet's transfer: the chain has seen more of the wallet than its row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.core.context import acting_as
from apps.payouts.fence import fence_closed_from
from apps.payouts.lost import lost_transfers
from apps.payouts.sweep import payouts_sweep
from tests.databases import rules_off
from tests.payouts.evm.chain_scene import ChainScene

# The site has an asset at Fireblocks too, which is asked as well.
pytestmark = pytest.mark.usefixtures("fireblocks_sandbox")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def sweep() -> None:
    with acting_as("task", "test"):
        payouts_sweep()


def after_an_hour(scene: ChainScene) -> None:
    """Another payout was approved, and the last round is long ago."""
    scene.ready()
    scene.sql("UPDATE payouts_sendingfence SET alive_at = alive_at - interval '1 hour'")


@pytest.fixture
def sent(scene: ChainScene) -> ChainScene:
    """One transfer is mined."""
    scene.ready()
    sweep()
    assert scene.sent() == 1
    return scene


def test_a_nonce_that_no_row_took_keeps_everything_of_the_wallet_back(
    sent: ChainScene, admin_connection: Any
) -> None:
    # Given a backup that says that the wallet has sent nothing
    after_an_hour(sent)
    with rules_off(admin_connection) as cursor:
        cursor.execute("UPDATE payouts_hotwallet SET next_nonce = 0")

    [lost] = lost_transfers(LONG_AGO)
    assert (lost.site_id, lost.to_address, lost.status) == (sent.site.id, "", "nonces 0 to 0")
    sweep()

    assert fence_closed_from() is not None
    assert [(one.status, one.hold_code) for one in sent.payouts()][1:] == [("held", "sent_before_restore")]
    assert sent.sent() == 1


def test_when_the_row_knows_every_nonce_the_next_one_is_sent(sent: ChainScene) -> None:
    """The control: the same hour's gap, and nothing is lost."""
    after_an_hour(sent)
    assert lost_transfers(LONG_AGO) == []
    sweep()
    assert fence_closed_from() is None
    assert sent.sent() == 2
