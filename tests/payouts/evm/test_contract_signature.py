"""EIP-1271 on a real chain: a contract proves its address, and nothing else passes for one."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from apps.accounts.addresses import checksum_address
from apps.accounts.models import WalletProof
from apps.accounts.signatures import personal_digest, signature_bytes
from apps.core.remote import RemoteError, RemoteInsideTransaction
from apps.payouts.custody.evm.contract_signature import contract_signed, is_valid_signature_call
from config.parsers import Hidden
from devstack.chain.node import CHAIN_ID, LocalChain
from tests.accounts.signing import DOMAIN, WALLETS, Signer, message_of
from tests.clients import api_of
from tests.factories import in_site, make_asset, make_member, make_site
from tests.payouts.evm.contract_wallet import creation_of, deploy_contract_wallet


@pytest.fixture(autouse=True)
def _node(settings: Any, chain: LocalChain) -> None:
    settings.EVM_RPC_URLS = Hidden({str(CHAIN_ID): chain.url})


def _wallet(chain: LocalChain, owner: Signer) -> str:
    return checksum_address(deploy_contract_wallet(chain, owner.address))


def _asked(address: str, owner: Signer, text: str = "text") -> bool:
    raw = signature_bytes(owner.sign(text))
    return contract_signed(CHAIN_ID, address, personal_digest("text"), raw)


def test_a_contract_says_that_its_owner_signed(chain: LocalChain) -> None:
    owner = Signer()
    assert _asked(_wallet(chain, owner), owner) is True


def test_a_contract_does_not_say_so_for_others_or_other_texts(chain: LocalChain) -> None:
    owner = Signer()
    address = _wallet(chain, owner)
    assert _asked(address, Signer()) is False
    assert _asked(address, owner, "another text") is False


def test_an_account_without_code_says_nothing() -> None:
    owner = Signer()
    assert _asked(owner.address, owner) is False


def test_a_contract_that_knows_no_such_call_says_nothing(chain: LocalChain) -> None:
    assert _asked(checksum_address(chain.deploy_token(18)), Signer()) is False


# Runtime code, and why its answer is none: the magic without its padding, right-aligned, and with a word behind it.
@pytest.mark.parametrize(
    "runtime",
    [
        "631626ba7e60e01b5f5260045ff3",
        "631626ba7e5f5260205ff3",
        "631626ba7e60e01b5f5260405ff3",
        "60015f5260205ff3",
        "5f5ffd",
    ],
)
def test_an_answer_that_is_not_the_magic_word_says_nothing(chain: LocalChain, runtime: str) -> None:
    code = bytes.fromhex(runtime)
    address = checksum_address(chain.deploy(creation_of(code)))
    assert _asked(address, Signer()) is False


def test_control_the_magic_word_alone_is_believed(chain: LocalChain) -> None:
    """Negative control of the one above: a contract that signs everything; nobody else pays for its folly."""
    code = bytes.fromhex("631626ba7e60e01b5f5260205ff3")
    assert _asked(checksum_address(chain.deploy(creation_of(code))), Signer()) is True


def test_the_call_data_is_what_eth_abi_makes() -> None:
    from eth_abi.abi import encode

    for length in (1, 31, 32, 33, 65, 130):
        digest, raw = secrets.token_bytes(32), secrets.token_bytes(length)
        expected = bytes.fromhex("1626ba7e") + encode(["bytes32", "bytes"], [digest, raw])
        assert is_valid_signature_call(digest, raw) == f"0x{expected.hex()}"


def test_a_chain_without_a_node_believes_no_contract() -> None:
    assert contract_signed(5, Signer().address, bytes(32), bytes(65)) is False


def test_a_node_that_does_not_answer_is_no_answer(settings: Any) -> None:
    settings.EVM_RPC_URLS = Hidden({str(CHAIN_ID): "http://127.0.0.1:1"})
    with pytest.raises(RemoteError):
        contract_signed(CHAIN_ID, Signer().address, bytes(32), bytes(65))


class Member:
    """A member of a site whose asset lives on the local chain, with a contract wallet."""

    def __init__(self, chain: LocalChain) -> None:
        self.site = make_site(wallet_domain=DOMAIN)
        make_asset(self.site, chain_id=CHAIN_ID)
        self.client = api_of(make_member(self.site))
        self.owner = Signer()
        self.address = _wallet(chain, self.owner)

    def register(self, signer: Signer) -> Any:
        message = message_of(self.client, "own", self.address, CHAIN_ID)
        proof = {"message": message, "signature": signer.sign(message)}
        return self.client.post(WALLETS, {"address": self.address, "proof": proof})


def test_a_contract_wallet_is_proved_through_the_api(database: None, chain: LocalChain) -> None:
    member = Member(chain)

    answer = member.register(member.owner)

    assert (answer.status_code, answer.json()["is_proved"]) == (201, True)
    with in_site(member.site):
        stored = WalletProof.objects.get()
    assert (stored.method, stored.chain_id, stored.address) == ("eip1271", CHAIN_ID, member.address)


def test_somebody_elses_signature_does_not_prove_a_contract(database: None, chain: LocalChain) -> None:
    answer = Member(chain).register(Signer())
    assert (answer.status_code, answer.json()["code"]) == (400, "signature_invalid")


def test_a_chain_that_is_away_is_told_and_nothing_used_up(
    database: None, chain: LocalChain, settings: Any
) -> None:
    member = Member(chain)
    settings.EVM_RPC_URLS = Hidden({str(CHAIN_ID): "http://127.0.0.1:1"})
    away = member.register(member.owner)
    settings.EVM_RPC_URLS = Hidden({str(CHAIN_ID): chain.url})

    assert (away.status_code, away.json()["code"]) == (503, "chain_unavailable")
    assert away.headers["Retry-After"] == "5"
    assert member.register(member.owner).status_code == 201


def test_no_contract_is_asked_inside_a_transaction(database: None, chain: LocalChain) -> None:
    site = make_site()
    with in_site(site), pytest.raises(RemoteInsideTransaction):
        _asked(Signer().address, Signer())
