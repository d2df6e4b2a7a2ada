"""What the Fireblocks sandbox sends is what the signature check accepts."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.core.jwks import JwksCache
from apps.payouts.custody.base import TransferRequest
from apps.payouts.custody.fireblocks import FireblocksCustody
from apps.webhooks.signatures import BadSignature, KeySource, verify_fireblocks
from devstack.fireblocks_sandbox.server import FireblocksSandbox
from tests.http_peers import Answer, Asked, Peer, private_pem, public_pem, rsa_key, running_peer

KEY = rsa_key("fireblocks-api")


@pytest.fixture
def receiver() -> Iterator[Peer]:
    with running_peer() as peer:
        peer.always(Answer(200))
        yield peer


@pytest.fixture
def sandbox(tmp_path: Path, receiver: Peer) -> Iterator[FireblocksSandbox]:
    running = FireblocksSandbox(
        tmp_path / "fb.sqlite", 0, "user", public_pem(KEY), f"{receiver.url}/hook", step_s=0.02
    )
    running.start()
    yield running
    running.stop()


def first_delivery(receiver: Peer) -> Asked:
    deadline = time.monotonic() + 10
    while not receiver.asked and time.monotonic() < deadline:
        time.sleep(0.02)
    return receiver.asked[0]


def test_a_delivery_is_accepted_as_it_came_and_refused_when_changed(
    sandbox: FireblocksSandbox, receiver: Peer
) -> None:
    FireblocksCustody("user", private_pem(KEY), sandbox.base_url).submit(
        TransferRequest(
            external_id="posx-1",
            asset_id="POSX_TEST",
            decimals=18,
            vault_account_id="0",
            to_address="0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            amount_base_units=1,
        )
    )
    keys = KeySource(jwks=JwksCache(f"{sandbox.base_url}/.well-known/jwks.json"))
    delivery = first_delivery(receiver)
    event = verify_fireblocks(delivery.body, delivery.headers, keys)
    assert event["resourceId"]
    with pytest.raises(BadSignature):
        verify_fireblocks(delivery.body + b" ", delivery.headers, keys)
