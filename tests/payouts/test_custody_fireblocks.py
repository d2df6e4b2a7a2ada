"""The Fireblocks client against a real HTTP server that misbehaves in every way we know of."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
from django.db import transaction
from pytest_django import Settings

from apps.core.remote import RemoteError, RemoteInsideTransaction, RemoteRejected, RemoteUnknown
from apps.payouts.custody import fireblocks
from apps.payouts.custody.base import (
    AlreadySubmitted,
    Custody,
    CustodyCredentialsRefused,
    CustodyUnknown,
    TransferPhase,
    TransferRequest,
)
from apps.payouts.custody.fireblocks import FireblocksCustody
from apps.payouts.custody.fireblocks_answers import decimals_of, phase_of
from tests.http_peers import Answer, Asked, Peer, private_pem, rsa_key, running_peer

KEY = rsa_key("fireblocks-api")
ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
REQUEST = TransferRequest(
    external_id="posx-1",
    asset_id="POSX_ETH",
    decimals=18,
    vault_account_id="7",
    to_address=ADDRESS,
    amount_base_units=1_500_000_000_000_000_001,
    note="payout 1",
)
COMPLETED = {
    "id": "tx-1",
    "externalTxId": "posx-1",
    "status": "COMPLETED",
    "subStatus": "CONFIRMED",
    "txHash": "0xabc",
    "assetId": "POSX_ETH",
    "amount": 1.5,
    "amountInfo": {"amount": "1.500000000000000001", "requestedAmount": "1.500000000000000001"},
    "destinationAddress": ADDRESS,
}


@pytest.fixture
def peer() -> Iterator[Peer]:
    with running_peer() as running:
        running.always(Answer(body={"id": "tx-1", "status": "SUBMITTED"}))
        yield running


@pytest.fixture
def custody(peer: Peer) -> Custody:
    return FireblocksCustody("api-key-1", private_pem(KEY), peer.url)


def claims_of(asked: Asked) -> dict[str, Any]:
    token = asked.headers["authorization"].removeprefix("Bearer ")
    return jwt.decode(token, KEY.public_key(), algorithms=["RS256"])


def test_a_transfer_is_submitted_in_asset_units_and_returns_the_providers_id(
    custody: Custody, peer: Peer
) -> None:
    assert custody.submit(REQUEST) == "tx-1"
    assert (peer.asked[0].method, peer.asked[0].path) == ("POST", "/v1/transactions")
    assert json.loads(peer.asked[0].body) == {
        "operation": "TRANSFER",
        "externalTxId": "posx-1",
        "assetId": "POSX_ETH",
        "amount": "1.500000000000000001",
        "source": {"type": "VAULT_ACCOUNT", "id": "7"},
        "destination": {"type": "ONE_TIME_ADDRESS", "oneTimeAddress": {"address": ADDRESS}},
        "note": "payout 1",
    }


def test_requests_are_signed_over_path_and_raw_body(custody: Custody, peer: Peer) -> None:
    custody.submit(REQUEST)
    custody.submit(REQUEST)
    first, second = (claims_of(asked) for asked in peer.asked)
    assert first["uri"] == "/v1/transactions"
    assert first["sub"] == peer.asked[0].headers["x-api-key"] == "api-key-1"
    assert first["bodyHash"] == hashlib.sha256(peer.asked[0].body).hexdigest()
    assert first["iat"] < first["exp"] < first["iat"] + 30
    assert first["nonce"] != second["nonce"]


def test_a_look_up_signs_the_empty_body_and_the_quoted_path(custody: Custody, peer: Peer) -> None:
    peer.always(Answer(404, {"message": "not found"}))
    assert custody.find_by_external_id("a/b ?c", decimals=18) is None
    claims = claims_of(peer.asked[0])
    assert claims["uri"] == peer.asked[0].path == "/v1/transactions/external_tx_id/a%2Fb%20%3Fc"
    assert claims["bodyHash"] == hashlib.sha256(b"").hexdigest()


def test_an_api_base_that_ends_in_v1_works_too(peer: Peer) -> None:
    FireblocksCustody("k", private_pem(KEY), f"{peer.url}/v1/").submit(REQUEST)
    assert peer.asked[0].path == "/v1/transactions"


# Answers to a submission


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (Answer(400, {"code": 1438, "message": "duplicate"}), AlreadySubmitted, "custody_already_submitted"),
        (Answer(400, {"code": 1427, "message": "no"}), RemoteRejected, "fireblocks_1427"),
        (Answer(400, {"message": "no"}), RemoteRejected, "fireblocks_rejected"),
        (Answer(400, b"<html>"), CustodyUnknown, "custody_unavailable"),
        (Answer(401, {"code": -1}), CustodyCredentialsRefused, "custody_credentials_refused"),
        (Answer(403, {}), CustodyCredentialsRefused, "custody_credentials_refused"),
        (Answer(404, {}), CustodyUnknown, "custody_unavailable"),
        (Answer(408, {}), CustodyUnknown, "custody_unavailable"),
        (Answer(409, {}), CustodyUnknown, "custody_unavailable"),
        (Answer(429, {}), CustodyUnknown, "custody_rate_limited"),
        (Answer(500, {"code": 1438}), CustodyUnknown, "custody_unavailable"),
        (Answer(503, b""), CustodyUnknown, "custody_unavailable"),
        (Answer(200, b"accepted"), CustodyUnknown, "custody_unavailable"),
        (Answer(200, {}), CustodyUnknown, "custody_answer_unreadable"),
        (Answer(200, {"id": 7}), CustodyUnknown, "custody_answer_unreadable"),
        (Answer(302, {}, {"Location": "/elsewhere"}), CustodyUnknown, "custody_unavailable"),
        (Answer(drop=True), CustodyUnknown, "custody_unreachable"),
    ],
)
def test_only_the_providers_own_no_rejects(
    custody: Custody, peer: Peer, answer: Answer, error: type[RemoteError], code: str
) -> None:
    peer.always(answer)
    with pytest.raises(error) as failure:
        custody.submit(REQUEST)
    assert failure.value.code == code
    assert failure.value.permanent is (error is RemoteRejected)
    assert len(peer.asked) == 1


def test_a_hanging_provider_is_an_unknown_outcome(
    custody: Custody, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fireblocks, "TIMEOUT_S", (0.3, 0.3))
    peer.always(Answer(hang=True))
    with pytest.raises(RemoteUnknown):
        custody.submit(REQUEST)
    assert len(peer.asked) == 1


def test_a_provider_that_is_not_there_is_an_unknown_outcome() -> None:
    with pytest.raises(RemoteUnknown):
        FireblocksCustody("k", private_pem(KEY), "http://127.0.0.1:1").submit(REQUEST)


@pytest.mark.parametrize(
    ("header", "expected_s"),
    [("7", 7), ("999999", 3600), ("", None), ("-1", None), ("Tue, 01 Jan 2030", None)],
)
def test_the_pause_that_the_provider_asks_for_is_passed_on(
    custody: Custody, peer: Peer, header: str, expected_s: int | None
) -> None:
    peer.always(Answer(429, {}, {"Retry-After": header}))
    with pytest.raises(CustodyUnknown) as failure:
        custody.submit(REQUEST)
    assert failure.value.retry_after_s == expected_s


# Look-ups


def test_a_completed_transfer_is_told_exactly(custody: Custody, peer: Peer) -> None:
    peer.always(Answer(body=COMPLETED))
    truth = custody.get("tx-1", decimals=18)
    assert truth == custody.find_by_external_id("posx-1", decimals=18)
    assert truth is not None
    assert (truth.phase, truth.tx_hash, truth.to_address) == (TransferPhase.COMPLETED, "0xabc", ADDRESS)
    assert truth.amount_base_units == REQUEST.amount_base_units
    assert (truth.asset_id, truth.external_id) == ("POSX_ETH", "posx-1")


def test_the_address_is_also_read_from_the_destination(custody: Custody, peer: Peer) -> None:
    nested = {"destination": {"type": "ONE_TIME_ADDRESS", "oneTimeAddress": {"address": ADDRESS}}}
    peer.always(Answer(body=COMPLETED | {"destinationAddress": ""} | nested))
    truth = custody.get("tx-1", decimals=18)
    assert truth is not None
    assert truth.to_address == ADDRESS


@pytest.mark.parametrize(
    ("told", "base_units"),
    [
        (b'"amount": 0.000000100000000001', 100_000_000_001),
        (b'"amount": 1234567890123.123456789012345678', 1234567890123_123456789012345678),
        (b'"amount": 1e-7', 100_000_000_000),
        (b'"amount": 12', 12 * 10**18),
        (b'"amount": "1.5"', 1_500_000_000_000_000_000),
        (b'"amount": 1e-19', None),
        (b'"amount": NaN', None),
        (b'"amount": null', None),
        (b'"amountInfo": {"amount": "x"}, "amount": 1', None),
    ],
)
def test_amounts_are_read_exactly_or_not_at_all(
    custody: Custody, peer: Peer, told: bytes, base_units: int | None
) -> None:
    peer.always(Answer(body=b'{"id": "tx-1", "status": "COMPLETED", ' + told + b"}"))
    truth = custody.get("tx-1", decimals=18)
    assert truth is not None
    assert truth.amount_base_units == base_units


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, {"code": 1, "message": "bad"}),
        Answer(404, b"<html>not here</html>"),
        Answer(429, {}),
        Answer(500, {}),
        Answer(200, []),
        Answer(200, {"id": "tx-1"}),
        Answer(200, {"status": "COMPLETED"}),
        Answer(200, COMPLETED | {"id": "tx-2"}),
        Answer(drop=True),
    ],
)
def test_a_look_up_that_fails_is_unknown_never_rejected(custody: Custody, peer: Peer, answer: Answer) -> None:
    peer.always(answer)
    with pytest.raises(CustodyUnknown):
        custody.get("tx-1", decimals=18)


def test_another_transfers_outcome_is_not_taken(custody: Custody, peer: Peer) -> None:
    peer.always(Answer(body=COMPLETED | {"externalTxId": "posx-2"}))
    with pytest.raises(CustodyUnknown):
        custody.find_by_external_id("posx-1", decimals=18)


@pytest.mark.parametrize(
    ("status", "sub_status", "tx_hash", "phase"),
    [
        ("SUBMITTED", "", None, TransferPhase.IN_FLIGHT),
        ("BROADCASTING", "", "0xabc", TransferPhase.IN_FLIGHT),
        ("CONFIRMING", "", "0xabc", TransferPhase.IN_FLIGHT),
        ("PARTIALLY_COMPLETED", "", None, TransferPhase.IN_FLIGHT),
        ("CANCELLING", "", None, TransferPhase.IN_FLIGHT),
        ("SOMETHING_NEW", "", None, TransferPhase.IN_FLIGHT),
        ("completed", "", "0xabc", TransferPhase.IN_FLIGHT),
        ("COMPLETED_BUT_3RD_PARTY_FAILED", "", "0xabc", TransferPhase.IN_FLIGHT),
        ("COMPLETED", "CONFIRMED", "0xabc", TransferPhase.COMPLETED),
        ("COMPLETED", "COMPLETED_BUT_3RD_PARTY_REJECTED", "0xabc", TransferPhase.NEEDS_PERSON),
        *[
            (s, "", None, TransferPhase.FAILED_NOTHING_MOVED)
            for s in ("CANCELLED", "BLOCKED", "REJECTED", "FAILED")
        ],
        *[
            (s, "", "0xabc", TransferPhase.NEEDS_PERSON)
            for s in ("CANCELLED", "BLOCKED", "REJECTED", "FAILED")
        ],
    ],
)
def test_statuses_mean(status: str, sub_status: str, tx_hash: str | None, phase: TransferPhase) -> None:
    assert phase_of(status, sub_status, tx_hash) is phase


# Configuration and secrets


def test_nothing_secret_shows(custody: Custody, caplog: pytest.LogCaptureFixture, peer: Peer) -> None:
    peer.always(Answer(500))
    with caplog.at_level("DEBUG"), pytest.raises(CustodyUnknown) as failure:
        custody.submit(REQUEST)
    shown = repr(custody) + caplog.text + str(failure.value)
    assert "api-key-1" not in shown
    assert "Bearer" not in shown


@pytest.mark.parametrize(
    "pem", ["", "secret-text", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"]
)
def test_a_bad_key_is_named_without_being_shown(pem: str) -> None:
    with pytest.raises(ValueError, match="FIREBLOCKS_PRIVATE_KEY") as failure:
        FireblocksCustody("k", pem)
    assert failure.value.__cause__ is None
    assert "secret-text" not in str(failure.value)


@pytest.mark.usefixtures("database")  # its calls are counted there
def test_settings_give_one_client_for_a_process(settings: Settings, peer: Peer) -> None:
    settings.FIREBLOCKS_API_KEY = f"key-{time.time_ns()}"
    settings.FIREBLOCKS_PRIVATE_KEY = private_pem(KEY).replace("\n", "\\n")
    settings.FIREBLOCKS_API_BASE = peer.url
    client = FireblocksCustody.from_settings()
    assert client is FireblocksCustody.from_settings()
    assert client.submit(replace(REQUEST, external_id="posx-2")) == "tx-1"


@pytest.mark.django_db
def test_nothing_is_sent_while_a_transaction_is_open(custody: Custody, peer: Peer) -> None:
    with transaction.atomic(), pytest.raises(RemoteInsideTransaction):
        custody.submit(REQUEST)
    assert peer.asked == []


@pytest.mark.parametrize("told", [18, "18.0", "18"])
def test_decimals_are_a_whole_number_however_it_is_written(told: Any) -> None:
    assert decimals_of({"legacyId": "POSX_ETH", "onchain": {"decimals": told}}, "POSX_ETH") == 18


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"legacyId": "POSX_ETH"},
        {"legacyId": "POSX_ETH", "onchain": None},
        {"legacyId": "POSX_ETH", "onchain": {}},
        {"legacyId": "POSX_ETH", "onchain": {"decimals": None}},
        {"legacyId": "POSX_ETH", "onchain": {"decimals": True}},
        {"legacyId": "POSX_ETH", "onchain": {"decimals": -1}},
        {"legacyId": "POSX_ETH", "onchain": {"decimals": "18.5"}},
        {"legacyId": "ANOTHER", "onchain": {"decimals": 18}},
    ],
)
def test_an_asset_without_believable_decimals_is_no_answer(answer: dict[str, Any]) -> None:
    with pytest.raises(CustodyUnknown):
        decimals_of(answer, "POSX_ETH")
