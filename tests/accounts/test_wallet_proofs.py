"""Proving an address: the message that the API gives, and every way in which what comes back is not it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.accounts.models import Wallet, WalletProof
from apps.accounts.sign_in_message import SignInMessage, parse_message
from apps.accounts.wallet_models import ProofPurpose
from apps.accounts.wallet_nonces import LIFE, nonce_make
from apps.accounts.wallet_proofs import Meant, SignedMessage, proof_check, proof_store
from apps.audit.models import AuditEvent
from apps.sites.scope import bind_site
from tests.accounts.signing import DOMAIN, MESSAGES, WALLETS, Signer, message_of, proof
from tests.clients import api_of
from tests.factories import in_site, make_asset, make_member, make_site, make_wallet
from tests.orders.scene import Parallel, wait_for_blocked

pytestmark = pytest.mark.usefixtures("database")


class Prover:
    """A member who wants to prove the address of a key."""

    def __init__(self, code: str = "NA", **site: Any) -> None:
        self.site = make_site(code, **{"wallet_domain": DOMAIN} | site)
        make_asset(self.site)
        self.member = make_member(self.site)
        self.client = api_of(self.member)
        self.signer = Signer()

    def message(self) -> SignInMessage:
        return parse_message(message_of(self.client, "own", self.signer.address))

    def send(self, message: SignInMessage | str, signature: str | None = None, **body: Any) -> Any:
        text = str(message)
        signed = {"message": text, "signature": signature or self.signer.sign(text)}
        return self.client.post(WALLETS, {"address": self.signer.address, "proof": signed} | body)

    def proofs(self) -> int:
        with in_site(self.site):
            return WalletProof.objects.count()


def test_the_message_says_who_where_what_and_until_when() -> None:
    prover = Prover()

    message = prover.message()

    assert (message.domain, message.uri, message.chain_id) == (DOMAIN, f"https://{DOMAIN}/", 1)
    assert message.address == prover.signer.address
    assert message.statement == "Tokens of NA that are owed to me go to this address."
    assert message.issued_at < (message.expiration_time or "")


def test_a_signed_message_registers_a_proved_wallet() -> None:
    prover = Prover()

    answer = prover.send(prover.message())

    assert (answer.status_code, answer.json()["is_proved"]) == (201, True)
    with in_site(prover.site):
        stored = WalletProof.objects.get()
        assert (stored.address, stored.method, stored.purpose) == (prover.signer.address, "eip191", "own")
        assert AuditEvent.objects.filter(table_name="accounts_walletproof", row_id=stored.id).exists()


def test_a_wallet_that_was_registered_without_a_proof_is_proved_later() -> None:
    prover = Prover()
    make_wallet(prover.member, prover.signer.address)
    assert prover.client.get(WALLETS).json()["results"][0]["is_proved"] is False

    answer = prover.send(prover.message())

    assert (answer.status_code, answer.json()["is_proved"]) == (200, True)


def test_the_same_request_again_is_the_same_wallet() -> None:
    prover = Prover()
    message = prover.message()
    first = prover.send(message)

    again = prover.send(message)

    assert (again.status_code, again.json()) == (200, first.json())
    assert prover.proofs() == 1


def test_a_used_nonce_proves_nothing_again() -> None:
    prover = Prover()
    message = prover.message()
    prover.send(message)
    later = replace(message, expiration_time=None)  # another text with the same nonce, signed too

    answer = prover.send(later)

    assert (answer.status_code, answer.json()["code"]) == (409, "nonce_used")


class _LeftBehind(Exception):
    """The first transaction ends without a commit."""


@pytest.mark.parametrize(
    ("first_commits", "expected"), [(True, (409, "nonce_used")), (False, (201, None))], ids=["kept", "undone"]
)
def test_of_two_messages_with_one_nonce_at_once_one_counts(
    first_commits: bool, expected: tuple[int, str | None], admin_connection: Any
) -> None:
    prover = Prover()
    message = prover.message()
    other = replace(message, expiration_time=None)
    meant = Meant(ProofPurpose.OWN, prover.signer.address)
    with bind_site(prover.site.id):
        first = proof_check(
            member_id=prover.member.id,
            meant=meant,
            signed=SignedMessage(str(other), prover.signer.sign(str(other))),
        )

    with suppress(_LeftBehind), in_site(prover.site):
        proof_store(first)
        second = Parallel(lambda: prover.send(message))
        wait_for_blocked(admin_connection, 1)
        if not first_commits:
            raise _LeftBehind

    (answer,) = second.results()
    assert (answer.status_code, answer.json().get("code")) == expected
    assert prover.proofs() == 1


def test_a_proof_does_not_replace_another_wallet() -> None:
    prover = Prover()
    make_wallet(prover.member)

    answer = prover.send(prover.message())

    assert (answer.status_code, answer.json()["code"]) == (409, "wallet_exists")
    assert prover.proofs() == 0


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("domain", "evil.example"),
        ("domain", f"{DOMAIN}@evil.example"),
        ("uri", "https://evil.example/"),
        ("uri", f"javascript://{DOMAIN}/"),
        ("scheme", "ftp"),
        ("statement", "Sign in to evil.example"),
        ("statement", None),
        ("chain_id", 56),
        ("request_id", "1"),
        ("resources", ()),
        ("resources", ("https://example.com/",)),
    ],
)
def test_a_message_for_something_else_is_refused_by_its_part(part: str, value: object) -> None:
    prover = Prover()

    answer = prover.send(replace(prover.message(), **{part: value}))  # type: ignore[arg-type]

    assert (answer.status_code, answer.json()["code"]) == (400, "message_mismatch")
    assert part in [error["field"] for error in answer.json()["errors"]]
    assert prover.proofs() == 0


def test_a_message_of_another_address_is_refused() -> None:
    prover = Prover()
    answer = prover.send(replace(prover.message(), address=Signer().address))
    assert [error["field"] for error in answer.json()["errors"]] == ["address"]


def test_somebody_elses_signature_is_refused() -> None:
    prover = Prover()
    message = prover.message()

    answer = prover.send(message, Signer().sign(str(message)))

    assert (answer.status_code, answer.json()["code"]) == (400, "signature_invalid")
    with in_site(prover.site):
        assert not Wallet.objects.exists()


@pytest.mark.parametrize("signature", ["0x", "0x1", "none", "0x" + "zz" * 65])
def test_what_is_no_signature_is_refused(signature: str) -> None:
    prover = Prover()
    answer = prover.send(prover.message(), signature)
    assert (answer.status_code, answer.json()["code"]) == (400, "signature_malformed")


def test_what_is_no_message_is_refused_by_its_part() -> None:
    answer = Prover().send("sign here, please")
    assert (answer.status_code, answer.json()["code"]) == (400, "message_malformed")
    assert answer.json()["errors"][0]["field"] == "domain"


def _nonce(prover: Prover, **of: Any) -> str:
    made: dict[str, Any] = {
        "site_id": prover.site.id,
        "member_id": prover.member.id,
        "now": datetime.now(UTC),
    }
    return nonce_make(**made | of)


def test_a_nonce_of_somebody_else_is_refused() -> None:
    prover = Prover()
    foreign = _nonce(prover, member_id=make_member(prover.site).id)
    answer = prover.send(replace(prover.message(), nonce=foreign))
    assert (answer.status_code, answer.json()["code"]) == (400, "nonce_unknown")


def test_a_nonce_of_another_site_is_refused() -> None:
    prover = Prover()
    answer = prover.send(replace(prover.message(), nonce=_nonce(prover, site_id=make_site("ASIA").id)))
    assert answer.json()["code"] == "nonce_unknown"


@pytest.mark.parametrize("change", [lambda n: "f" * 8 + n[8:], lambda n: n[:-1] + "g", lambda n: n[:-1]])
def test_a_nonce_that_was_changed_is_refused(change: Any) -> None:
    prover = Prover()
    message = prover.message()
    answer = prover.send(replace(message, nonce=change(message.nonce)))
    assert answer.json()["code"] == "nonce_unknown"


def test_a_nonce_ends_even_when_the_message_does_not() -> None:
    prover = Prover()
    old = _nonce(prover, now=datetime.now(UTC) - LIFE)
    answer = prover.send(replace(prover.message(), nonce=old, expiration_time="2999-01-01T00:00:00Z"))
    assert (answer.status_code, answer.json()["code"]) == (400, "message_expired")


def test_an_expired_message_is_refused() -> None:
    prover = Prover()
    answer = prover.send(replace(prover.message(), expiration_time="2020-01-01T00:00:00Z"))
    assert answer.json()["code"] == "message_expired"


@pytest.mark.parametrize("part", ["issued_at", "not_before"])
def test_a_message_of_the_future_is_refused(part: str) -> None:
    prover = Prover()
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    answer = prover.send(replace(prover.message(), **{part: soon}))  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (400, "message_not_yet_valid")


def test_a_site_without_a_domain_asks_for_no_signatures() -> None:
    prover = Prover(wallet_domain="")
    asked = {"purpose": "own", "address": prover.signer.address, "chain_id": 1}
    answer = prover.client.post(MESSAGES, asked)
    assert (answer.status_code, answer.json()["code"]) == (409, "wallet_domain_missing")


def test_a_sites_own_host_is_its_domain() -> None:
    prover = Prover(wallet_domain="", host="own.example.test")
    assert prover.message().domain == "own.example.test"


@pytest.mark.parametrize(
    ("body", "code"), [({"chain_id": 5}, "unknown_chain"), ({"purpose": "leave"}, "wallet_missing")]
)
def test_a_message_that_makes_no_sense_is_refused(body: dict[str, Any], code: str) -> None:
    prover = Prover()
    asked = {"purpose": "own", "address": prover.signer.address, "chain_id": 1}
    assert prover.client.post(MESSAGES, asked | body).json()["code"] == code


def test_a_change_to_the_same_address_is_refused() -> None:
    prover = Prover()
    make_wallet(prover.member, prover.signer.address)
    asked = {"purpose": "move", "address": prover.signer.address, "chain_id": 1}
    assert prover.client.post(MESSAGES, asked).json()["code"] == "wallet_same"


def test_asking_for_messages_leaves_no_rows() -> None:
    prover = Prover()
    proof(prover.client, prover.signer, "own", prover.signer.address)
    assert prover.proofs() == 0


def test_reading_the_largest_message_is_quick() -> None:
    """What anybody may send is read in linear time: no backtracking over 4000 characters."""
    prover = Prover()
    text = str(replace(prover.message(), uri="a:" + "a" * 1700 + "%", statement="a" * 1700))
    start_s = time.monotonic()
    assert prover.send(text).json()["code"] == "message_malformed"
    assert time.monotonic() - start_s < 2
