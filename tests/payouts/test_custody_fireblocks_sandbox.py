"""The Fireblocks client against the sandbox, which checks signatures and walks through real statuses."""

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from apps.core.remote import RemoteRejected, RemoteUnknown
from apps.payouts.custody import fireblocks
from apps.payouts.custody.base import (
    AlreadySubmitted,
    CustodyCredentialsRefused,
    TransferPhase,
    TransferRequest,
    TransferTruth,
)
from apps.payouts.custody.fireblocks import FireblocksCustody
from devstack.fireblocks_sandbox.server import FireblocksSandbox
from tests.http_peers import private_pem, public_pem, rsa_key

KEY = rsa_key("fireblocks-api")
API_KEY = "posx-api-user"
ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[FireblocksSandbox]:
    running = FireblocksSandbox(
        tmp_path / "fireblocks.sqlite", 0, API_KEY, public_pem(KEY), None, step_s=0.02
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture
def custody(sandbox: FireblocksSandbox) -> FireblocksCustody:
    return FireblocksCustody(API_KEY, private_pem(KEY), sandbox.base_url)


def transfer(amount_base_units: int = 10**18 + 1) -> TransferRequest:
    return TransferRequest(
        external_id=f"posx-{uuid4()}",
        asset_id="POSX_TEST",
        decimals=18,
        vault_account_id="0",
        to_address=ADDRESS,
        amount_base_units=amount_base_units,
        note="test",
    )


def order_fault(sandbox: FireblocksSandbox, **fault: object) -> None:
    requests.post(f"{sandbox.base_url}/_sandbox/faults", json=fault, timeout=5).raise_for_status()


def settled(custody: FireblocksCustody, provider_id: str) -> TransferTruth:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        truth = custody.get(provider_id, decimals=18)
        assert truth is not None
        if truth.phase is not TransferPhase.IN_FLIGHT:
            return truth
        time.sleep(0.02)
    raise AssertionError("the transfer did not settle")


def test_a_transfer_completes_with_what_was_asked(custody: FireblocksCustody) -> None:
    request = transfer()
    truth = settled(custody, custody.submit(request))
    assert truth.phase is TransferPhase.COMPLETED
    assert truth.tx_hash
    assert (truth.external_id, truth.asset_id) == (request.external_id, "POSX_TEST")
    assert (truth.amount_base_units, truth.to_address) == (request.amount_base_units, ADDRESS)
    assert custody.find_by_external_id(request.external_id, decimals=18) == truth


def test_a_repeat_under_the_same_external_id_is_named_and_moves_nothing(
    custody: FireblocksCustody, sandbox: FireblocksSandbox
) -> None:
    request = transfer()
    provider_id = custody.submit(request)
    with pytest.raises(AlreadySubmitted):
        custody.submit(request)
    found = custody.find_by_external_id(request.external_id, decimals=18)
    assert found is not None
    assert found.provider_transfer_id == provider_id


def test_after_a_time_out_the_accepted_transfer_is_found(
    custody: FireblocksCustody, sandbox: FireblocksSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fireblocks, "TIMEOUT_S", (1, 0.5))
    order_fault(sandbox, operation="transactions.create", fault="accept_then_hang", seconds=2)
    request = transfer()
    with pytest.raises(RemoteUnknown):
        custody.submit(request)
    found = custody.find_by_external_id(request.external_id, decimals=18)
    assert found is not None
    with pytest.raises(AlreadySubmitted):
        custody.submit(request)


def test_what_was_never_sent_is_not_there(custody: FireblocksCustody) -> None:
    assert custody.find_by_external_id("posx-never", decimals=18) is None
    assert custody.get("6b1a2f9c-0000-4000-8000-000000000000", decimals=18) is None


@pytest.mark.parametrize(
    ("outcome", "phase"),
    [
        ("failed", TransferPhase.FAILED_NOTHING_MOVED),
        ("rejected", TransferPhase.FAILED_NOTHING_MOVED),
        ("blocked", TransferPhase.FAILED_NOTHING_MOVED),
        ("failed_with_hash", TransferPhase.NEEDS_PERSON),
    ],
)
def test_ends_without_success_are_told_apart(
    custody: FireblocksCustody, sandbox: FireblocksSandbox, outcome: str, phase: TransferPhase
) -> None:
    order_fault(sandbox, outcome=outcome)
    assert settled(custody, custody.submit(transfer())).phase is phase


@pytest.mark.parametrize("outcome", ["wrong_amount", "wrong_address"])
def test_a_completion_that_differs_can_be_seen(
    custody: FireblocksCustody, sandbox: FireblocksSandbox, outcome: str
) -> None:
    order_fault(sandbox, outcome=outcome)
    request = transfer()
    truth = settled(custody, custody.submit(request))
    told = (truth.amount_base_units, truth.to_address)
    assert told != (request.amount_base_units, request.to_address)


def test_an_unknown_status_stays_in_flight_under_its_own_name(
    custody: FireblocksCustody, sandbox: FireblocksSandbox
) -> None:
    order_fault(sandbox, outcome="unknown_status")
    provider_id = custody.submit(transfer())
    deadline = time.monotonic() + 10
    truth = custody.get(provider_id, decimals=18)
    while truth and truth.raw_status != "PENDING_SANDBOX_REVIEW" and time.monotonic() < deadline:
        time.sleep(0.02)
        truth = custody.get(provider_id, decimals=18)
    assert truth is not None
    assert (truth.raw_status, truth.phase) == ("PENDING_SANDBOX_REVIEW", TransferPhase.IN_FLIGHT)


def test_an_unknown_asset_is_rejected(custody: FireblocksCustody) -> None:
    request = TransferRequest(
        external_id="posx-x",
        asset_id="NO_SUCH_ASSET",
        decimals=18,
        vault_account_id="0",
        to_address=ADDRESS,
        amount_base_units=1,
    )
    with pytest.raises(RemoteRejected):
        custody.submit(request)


def test_a_wrong_key_is_refused_and_moves_nothing(
    sandbox: FireblocksSandbox, custody: FireblocksCustody
) -> None:
    request = transfer()
    with pytest.raises(CustodyCredentialsRefused):
        FireblocksCustody(API_KEY, private_pem(rsa_key("thief")), sandbox.base_url).submit(request)
    assert custody.find_by_external_id(request.external_id, decimals=18) is None
