"""The Fireblocks sandbox, driven by requests that are signed by hand."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from apps.core.jwks import JwksCache
from apps.webhooks.signatures import BadSignature, KeySource, verify_fireblocks
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.devstack.receiver import Receiver, control, eventually, order_fault

API_KEY = "fireblocks-key"
ADDRESS = "0x52908400098527886E0F7030069857D2E4169EE7"
BILLION = "1000000000"


@lru_cache
def client_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem() -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return client_key().public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def sandbox_at(path: Path, url: str | None, step_s: float = 0.02) -> FireblocksSandbox:
    sandbox = FireblocksSandbox(
        path, 0, API_KEY, public_pem(), url, step_s=step_s, retry_delays_s=(0.05, 0.1)
    )
    sandbox.start()
    return sandbox


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def sandbox(tmp_path: Path, receiver: Receiver) -> Iterator[FireblocksSandbox]:
    sandbox = sandbox_at(tmp_path / "fireblocks.sqlite3", receiver.url)
    yield sandbox
    sandbox.stop()


@dataclass
class Signed:
    """Calls the sandbox as a client does; `claims` and `headers` replace the right ones."""

    base_url: str

    def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        claims: Any = None,
        headers: Any = None,
        timeout_s: float = 10,
    ) -> requests.Response:
        raw = b"" if body is None else json.dumps(body).encode()
        now = int(time.time())
        token = jwt.encode(
            {
                "uri": target,
                "nonce": uuid.uuid4().hex,
                "iat": now,
                "exp": now + 25,
                "sub": API_KEY,
                "bodyHash": hashlib.sha256(raw).hexdigest(),
                **(claims or {}),
            },
            client_key(),
            algorithm="RS256",
        )
        sent = {"X-API-Key": API_KEY, "Authorization": f"Bearer {token}", **(headers or {})}
        return requests.request(method, self.base_url + target, data=raw, headers=sent, timeout=timeout_s)

    def send(self, external_id: str = "payout-1", **more: Any) -> requests.Response:
        headers, timeout_s = more.pop("headers", None), more.pop("timeout_s", 10)
        body = transfer(external_id, **more)
        return self.call("POST", "/v1/transactions", body, headers=headers, timeout_s=timeout_s)

    def sent(self, external_id: str = "payout-1") -> Any:
        return self.call("GET", f"/v1/transactions/external_tx_id/{external_id}").json()

    def available(self, asset: str = "POSX_TEST") -> str:
        return str(self.call("GET", f"/v1/vault/accounts/0/{asset}").json()["available"])


def transfer(external_id: str, **more: Any) -> Any:
    return {
        "assetId": "POSX_TEST",
        "amount": "1.5",
        "source": {"type": "VAULT_ACCOUNT", "id": "0"},
        "destination": {"type": "ONE_TIME_ADDRESS", "oneTimeAddress": {"address": ADDRESS}},
        "externalTxId": external_id,
        "note": "a payout",
        **more,
    }


@pytest.fixture
def client(sandbox: FireblocksSandbox) -> Signed:
    return Signed(sandbox.base_url)


def events(receiver: Receiver) -> list[Any]:
    return [json.loads(body) for _, body in list(receiver.received)]


def test_a_transfer_completes_and_is_paid_once(client: Signed) -> None:
    answer = client.send(amount="0.000000000000000001")
    assert (answer.status_code, answer.json()["status"]) == (200, "SUBMITTED")

    done = eventually(lambda: (tx := client.sent())["status"] == "COMPLETED" and tx)

    assert done["txHash"].startswith("0x")
    assert len(done["txHash"]) == 66
    assert done["amountInfo"] == {
        "amount": "0.000000000000000001",
        "requestedAmount": "0.000000000000000001",
    }
    assert done["destinationAddress"] == ADDRESS
    assert client.call("GET", f"/v1/transactions/{done['id']}").json() == done
    assert client.available() == "999999999.999999999999999999"


def test_a_repeated_external_id_is_1438_for_ever(client: Signed) -> None:
    client.send()

    again = client.send(amount="2")

    assert (again.status_code, again.json()["code"]) == (400, 1438)
    assert client.sent()["amountInfo"]["requestedAmount"] == "1.5"


def test_unknown_ids_are_404(client: Signed) -> None:
    by_external = client.call("GET", "/v1/transactions/external_tx_id/nothing")
    by_id = client.call("GET", "/v1/transactions/nothing")

    assert (by_external.status_code, by_external.json()["code"]) == (404, 1412)
    assert (by_id.status_code, by_id.json()["code"]) == (404, 1405)


@pytest.mark.parametrize(
    "more",
    [
        {"assetId": "NOTHING"},
        {"amount": "1000000001"},
        {"amount": "0"},
        {"amount": "-1"},
        {"amount": "1e3"},
        {"amount": 1.5},
        {"amount": "0.0000001", "assetId": "POSX_SIX"},
        {"source": {"type": "VAULT_ACCOUNT", "id": "9"}},
        {"destination": {"type": "ONE_TIME_ADDRESS", "oneTimeAddress": {"address": "0x12"}}},
        {"destination": {"type": "VAULT_ACCOUNT", "id": "1"}},
    ],
)
def test_what_cannot_be_sent_is_refused_and_leaves_nothing(client: Signed, more: Any) -> None:
    answer = client.send(**more)

    assert answer.status_code == 400
    assert answer.json()["code"] != 1438
    assert client.call("GET", "/v1/transactions").json() == []
    assert client.available() == BILLION


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"uri": "/v1/other"}, -4),
        ({"sub": "someone"}, -6),
        ({"bodyHash": "0" * 64}, -7),
        ({"exp": 600}, -7),
        ({"iat": -100, "exp": -80}, -10),
        ({"iat": 300, "exp": 320}, -12),
        ({"nonce": None}, -5),
    ],
)
def test_a_wrong_claim_is_401(client: Signed, claims: Any, code: int) -> None:
    # Seconds from now, and not from when the tests were collected: by its turn that may be long ago.
    now_s = int(time.time())
    times = {name: now_s + claims[name] for name in ("iat", "exp") if name in claims}
    answer = client.call("GET", "/v1/supported_assets", claims=claims | times)

    assert (answer.status_code, answer.json()["code"]) == (401, code)


def test_a_nonce_counts_once(client: Signed) -> None:
    claims = {"nonce": "the-same"}

    first = client.call("GET", "/v1/supported_assets", claims=claims)
    second = client.call("GET", "/v1/supported_assets", claims=claims)

    assert (first.status_code, second.status_code) == (200, 401)
    assert {"id": "POSX_SIX", "decimals": 6}.items() <= first.json()[1].items()


def test_another_key_or_none_is_401(client: Signed) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = {"uri": "/", "nonce": "1", "iat": 1, "exp": 2**33, "sub": API_KEY, "bodyHash": ""}
    forged = {"Authorization": f"Bearer {jwt.encode(claims, stranger, algorithm='RS256')}"}

    assert client.call("GET", "/v1/supported_assets", headers=forged).json()["code"] == -1
    assert client.call("GET", "/v1/supported_assets", headers={"X-API-Key": "x"}).json()["code"] == -2
    assert client.call("GET", "/v1/supported_assets", headers={"Authorization": ""}).json()["code"] == -3


def test_an_idempotency_key_replays(client: Signed) -> None:
    first = client.send(headers={"Idempotency-Key": "k"})
    second = client.send(headers={"Idempotency-Key": "k"})
    too_long = client.send("other", headers={"Idempotency-Key": "k" * 41})

    assert first.json() == second.json()
    assert too_long.status_code == 400


def test_an_idempotency_key_is_burnt_by_an_internal_error(sandbox: FireblocksSandbox, client: Signed) -> None:
    order_fault(sandbox.base_url, operation="transactions.create", fault="error_500_after")

    first = client.send(headers={"Idempotency-Key": "k"})
    second = client.send(headers={"Idempotency-Key": "k"})

    assert (first.status_code, second.status_code) == (500, 400)
    assert second.json()["code"] != 1438
    assert client.sent()["externalTxId"] == "payout-1"


def test_accept_then_hang_happened_all_the_same(sandbox: FireblocksSandbox, client: Signed) -> None:
    order_fault(sandbox.base_url, operation="transactions.create", fault="accept_then_hang", seconds=5)

    with pytest.raises(requests.Timeout):
        client.send(timeout_s=0.3)

    assert client.sent()["externalTxId"] == "payout-1"
    assert client.send().json()["code"] == 1438


@pytest.mark.parametrize("fault", ["hang_before", "error_500_before"])
def test_faults_before_leave_nothing(sandbox: FireblocksSandbox, client: Signed, fault: str) -> None:
    order_fault(sandbox.base_url, operation="transactions.create", fault=fault, seconds=0.05)

    try:
        assert client.send().status_code == 500
    except requests.ConnectionError:
        assert fault == "hang_before"

    assert client.sent()["code"] == 1412


def test_rate_limit_says_when_to_come_again(sandbox: FireblocksSandbox, client: Signed) -> None:
    order_fault(sandbox.base_url, fault="rate_limit", seconds=7)

    answer = client.send()

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert client.send().status_code == 200


@pytest.mark.parametrize(
    ("outcome", "status", "has_hash"),
    [
        ("failed", "FAILED", False),
        ("failed_with_hash", "FAILED", True),
        ("rejected", "REJECTED", False),
        ("blocked", "BLOCKED", False),
    ],
)
def test_outcomes_that_pay_nothing(
    sandbox: FireblocksSandbox, client: Signed, outcome: str, status: str, has_hash: bool
) -> None:
    order_fault(sandbox.base_url, operation="transactions.create", outcome=outcome)
    client.send()

    ended = eventually(lambda: (tx := client.sent())["status"] == status and tx)

    assert bool(ended["txHash"]) is has_hash
    assert ended["subStatus"]
    assert client.available() == BILLION


def test_outcomes_that_lie(sandbox: FireblocksSandbox, client: Signed) -> None:
    order_fault(sandbox.base_url, outcome="wrong_amount")
    client.send("amount")
    order_fault(sandbox.base_url, outcome="wrong_address")
    client.send("address")

    assert client.sent("amount")["amountInfo"]["amount"] == "1.499999999999999999"
    assert client.sent("address")["destinationAddress"] != ADDRESS
    eventually(lambda: client.available() == "999999997.000000000000000001")


def test_an_unknown_status_stays(sandbox: FireblocksSandbox, client: Signed) -> None:
    order_fault(sandbox.base_url, outcome="unknown_status")
    client.send()

    eventually(lambda: client.sent()["status"] == "PENDING_SANDBOX_REVIEW")


def test_a_stuck_transaction_moves_by_hand(sandbox: FireblocksSandbox, client: Signed) -> None:
    order_fault(sandbox.base_url, outcome="stuck")
    tx_id = client.send().json()["id"]
    eventually(lambda: client.sent()["status"] == "PENDING_AUTHORIZATION")
    tx_hash = "0x" + "ab" * 32

    moved = control(
        sandbox.base_url,
        "POST",
        f"transactions/{tx_id}/advance",
        {"status": "FAILED", "subStatus": "DROPPED_BY_BLOCKCHAIN", "txHash": tx_hash},
    )

    assert (moved["status"], moved["subStatus"], moved["txHash"]) == (
        "FAILED",
        "DROPPED_BY_BLOCKCHAIN",
        tx_hash,
    )
    assert client.available() == BILLION


def test_a_stuck_transaction_can_walk_on(sandbox: FireblocksSandbox, client: Signed) -> None:
    order_fault(sandbox.base_url, outcome="stuck")
    tx_id = client.send().json()["id"]
    eventually(lambda: client.sent()["status"] == "PENDING_AUTHORIZATION")

    control(sandbox.base_url, "POST", f"transactions/{tx_id}/advance", {})

    eventually(lambda: client.sent()["status"] == "COMPLETED")


def test_lists_filter_by_status_and_time(client: Signed) -> None:
    client.send("one")
    client.send("two")
    eventually(lambda: all(client.sent(name)["status"] == "COMPLETED" for name in ("one", "two")))

    listed = client.call("GET", "/v1/transactions?status=COMPLETED&sort=ASC&limit=1").json()
    none = client.call("GET", f"/v1/transactions?after={int(time.time() * 1000) + 60_000}").json()

    assert [tx["externalTxId"] for tx in listed] == ["one"]
    assert none == []


def test_each_change_sends_a_webhook_that_the_jwks_verifies(
    sandbox: FireblocksSandbox, client: Signed, receiver: Receiver
) -> None:
    tx_id = client.send().json()["id"]
    eventually(lambda: len(receiver.received) == 6)

    published = jwt.PyJWKSet.from_dict(
        requests.get(f"{sandbox.base_url}/.well-known/jwks.json", timeout=5).json()
    )
    for headers, body in receiver.received:
        header, _, signature = headers["fireblocks-webhook-signature"].split(".")
        payload = base64.urlsafe_b64encode(body).rstrip(b"=").decode()
        token = f"{header}.{payload}.{signature}"
        kid = jwt.get_unverified_header(token)["kid"]
        assert jwt.PyJWS().decode(token, published[kid].key, algorithms=["RS512"]) == body
        changed = base64.urlsafe_b64encode(body + b" ").rstrip(b"=").decode()
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.PyJWS().decode(f"{header}.{changed}.{signature}", published[kid].key, algorithms=["RS512"])
    seen = {(event["eventType"], event["data"]["status"]) for event in events(receiver)}
    assert ("transaction.created", "SUBMITTED") in seen
    assert ("transaction.status.updated", "COMPLETED") in seen
    assert {event["resourceId"] for event in events(receiver)} == {tx_id}


def test_the_v1_signature_verifies_too(
    sandbox: FireblocksSandbox, client: Signed, receiver: Receiver
) -> None:
    client.send()
    eventually(lambda: receiver.received)
    pem = requests.get(f"{sandbox.base_url}/_sandbox/v1_public_key", timeout=5).content
    key = serialization.load_pem_public_key(pem)
    assert isinstance(key, rsa.RSAPublicKey)

    headers, body = receiver.received[0]

    signature = base64.b64decode(headers["fireblocks-signature"])
    key.verify(signature, body, padding.PKCS1v15(), hashes.SHA512())


@pytest.mark.parametrize(("status", "again"), [(400, False), (503, True), (429, True)])
def test_only_some_answers_bring_a_webhook_again(
    sandbox: FireblocksSandbox, client: Signed, receiver: Receiver, status: int, again: bool
) -> None:
    receiver.status = status
    client.send()

    def settled() -> list[Any]:
        deliveries = control(sandbox.base_url, "GET", "state")["deliveries"]
        return [row for row in deliveries if row["state"] == "gave_up" or row["attempts"] >= 2]

    first = eventually(settled)[0]
    assert (first["state"] == "pending") is again


def test_a_dropped_webhook_is_sent_on_request(
    sandbox: FireblocksSandbox, client: Signed, receiver: Receiver
) -> None:
    order_fault(sandbox.base_url, operation="COMPLETED", fault="drop_webhooks")
    client.send()
    eventually(lambda: client.sent()["status"] == "COMPLETED" and len(receiver.received) == 5)
    held = control(sandbox.base_url, "GET", "state")["events"]

    control(sandbox.base_url, "POST", f"events/{held[0]['id']}/resend")

    eventually(lambda: any(event["data"]["status"] == "COMPLETED" for event in events(receiver)))


def test_a_rotated_key_is_published_beside_the_old_one(
    sandbox: FireblocksSandbox, client: Signed, receiver: Receiver
) -> None:
    kid = control(sandbox.base_url, "POST", "rotate_key")["kid"]
    client.send()

    headers, _ = eventually(lambda: receiver.received)[0]

    assert jwt.get_unverified_header(headers["fireblocks-webhook-signature"])["kid"] == kid
    keys = requests.get(f"{sandbox.base_url}/.well-known/jwks.json", timeout=5).json()["keys"]
    assert len(keys) == 2


def test_a_restart_goes_on_with_what_was_under_way(tmp_path: Path) -> None:
    # Given a transaction whose next step is far away
    path = tmp_path / "f.sqlite3"
    first = sandbox_at(path, None, step_s=1.0)
    keys = requests.get(f"{first.base_url}/.well-known/jwks.json", timeout=5).json()
    Signed(first.base_url).send()
    first.stop()

    # When another process takes over
    second = sandbox_at(path, None)
    try:
        client = Signed(second.base_url)

        # Then it completes, once, under the same keys
        eventually(lambda: client.sent()["status"] == "COMPLETED")
        assert client.available() == "999999998.5"
        assert client.send().json()["code"] == 1438
        assert requests.get(f"{second.base_url}/.well-known/jwks.json", timeout=5).json() == keys
    finally:
        second.stop()


def test_reset_gives_the_balances_back(sandbox: FireblocksSandbox, client: Signed) -> None:
    client.send()
    eventually(lambda: client.sent()["status"] == "COMPLETED")

    control(sandbox.base_url, "POST", "reset")

    assert client.available() == BILLION
    assert client.sent()["code"] == 1412


def test_the_page_escapes_what_it_shows(sandbox: FireblocksSandbox, client: Signed) -> None:
    client.send("<b>id</b>")

    page = requests.get(sandbox.base_url, timeout=5).text

    assert "<b>" not in page
    assert "&lt;b&gt;id" in page


def test_a_fault_may_be_for_one_transfer_only(sandbox: FireblocksSandbox, client: Signed) -> None:
    order_fault(sandbox.base_url, operation="transactions.create", fault="error_500_before", about="PAYOUT-2")

    assert client.send("payout-1").status_code == 200
    assert client.send("payout-2").status_code == 500
    assert client.send("payout-3").status_code == 200


def test_a_late_acceptance_comes_after_its_sender_was_told_nothing(
    sandbox: FireblocksSandbox, client: Signed
) -> None:
    order_fault(sandbox.base_url, operation="transactions.create", fault="late_accept", seconds=0.3)

    with pytest.raises(requests.ConnectionError):
        client.send()
    assert client.sent()["code"] == 1412

    eventually(lambda: client.sent().get("externalTxId") == "payout-1")
    assert client.send().json()["code"] == 1438


def test_a_late_acceptance_after_a_second_send_is_refused(sandbox: FireblocksSandbox, client: Signed) -> None:
    order_fault(sandbox.base_url, operation="transactions.create", fault="late_accept", seconds=0.3)
    sent_at_s = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        client.send()
    assert client.send().status_code == 200

    eventually(lambda: client.sent().get("status") == "COMPLETED")
    # Its time has come and gone meanwhile.
    eventually(lambda: time.monotonic() > sent_at_s + 0.5)
    assert len(client.call("GET", "/v1/transactions").json()) == 1


def test_a_provider_may_forget_external_ids(sandbox: FireblocksSandbox, client: Signed) -> None:
    order_fault(sandbox.base_url, operation="transactions.create", fault="forget_external_id", times=2)

    assert [client.send().status_code for _ in range(2)] == [200, 200]
    assert len(client.call("GET", "/v1/transactions").json()) == 2


@pytest.mark.parametrize(("offset_s", "code"), [(-310, -12), (310, -10)])
def test_a_clock_that_is_wrong_refuses_what_is_right(
    sandbox: FireblocksSandbox, client: Signed, offset_s: int, code: int
) -> None:
    control(sandbox.base_url, "PUT", "clock", {"offset_s": offset_s})
    answer = client.send()
    assert (answer.status_code, answer.json()["code"]) == (401, code)

    control(sandbox.base_url, "PUT", "clock", {"offset_s": 0})
    assert client.send().status_code == 200


def test_a_forged_event_comes_first_and_is_tried_once(
    sandbox: FireblocksSandbox, client: Signed, receiver: Receiver
) -> None:
    receiver.status = 503
    order_fault(sandbox.base_url, fault="forge_webhooks")
    client.send()

    eventually(lambda: len(receiver.received) >= 4)

    known = {event["id"] for event in control(sandbox.base_url, "GET", "state")["events"]}
    (forged,) = [event for event in events(receiver) if event["id"] not in known]
    assert forged["data"]["status"] == "COMPLETED"
    headers = next(headers for headers, body in receiver.received if json.loads(body)["id"] == forged["id"])
    keys = KeySource(jwks=JwksCache(f"{sandbox.base_url}/.well-known/jwks.json"))
    body = next(body for _, body in receiver.received if json.loads(body)["id"] == forged["id"])
    with pytest.raises(BadSignature):
        verify_fireblocks(body, headers, keys)
