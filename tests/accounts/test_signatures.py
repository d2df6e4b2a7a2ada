"""Who signed a text: against published signatures, and against eth-account as a second implementation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.accounts.sign_in_message import SignInMessage
from apps.accounts.signatures import personal_digest, signature_bytes, signer_of
from apps.payouts.custody.evm.account_library import account_library

# By the one door: imported directly, it raises the recursion limit, and the next deep JSON body kills the process.
Account = account_library()
from eth_account.messages import defunct_hash_message, encode_defunct  # noqa: E402

# Published in spruceid/siwe, test/verification_positive.json; the second has a recovery byte of 1.
PUBLISHED = [
    (
        SignInMessage(
            domain="login.xyz",
            address="0x9D85ca56217D2bb651b00f15e694EB7E713637D4",
            statement="Sign-In With Ethereum Example Statement",
            uri="https://login.xyz",
            chain_id=1,
            nonce="bTyXgcQxn2htgkjJn",
            issued_at="2022-01-27T17:09:38.578Z",
            expiration_time="2100-01-07T14:31:43.952Z",
        ),
        "0xdc35c7f8ba2720df052e0092556456127f00f7707eaa8e3bbff7e56774e7f2e0"
        "5a093cfc9e02964c33d86e8e066e221b7d153d27e5a2e97ccd5ca7d3f2ce06cb1b",
    ),
    (
        SignInMessage(
            domain="www.tally.xyz",
            address="0xc95EB884FE852e241D409234bfC7045CB9E31BD7",
            statement="Sign in with Ethereum to Tally",
            uri="https://tally.xyz",
            chain_id=1,
            nonce="15050747",
            issued_at="2022-06-30T14:08:51.382Z",
        ),
        "0x8c46b6eb8505939892d8e9b075f89f8277321b17b993151f37810cdda38cce6f"
        "4a85909d2b53e6a14629c74c0ac38bf4becde78ee5b2529812bf6cceaf7b2a2501",
    ),
]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEYS = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))


@pytest.mark.parametrize(("message", "signature"), PUBLISHED, ids=["login.xyz", "tally.xyz"])
def test_a_published_signature_is_its_signers(message: SignInMessage, signature: str) -> None:
    assert signer_of(personal_digest(str(message)), signature_bytes(signature)) == message.address


def test_a_changed_text_is_somebody_elses() -> None:
    message, signature = PUBLISHED[0]
    assert signer_of(personal_digest(f"{message} "), signature_bytes(signature)) != message.address


@given(KEYS, st.text(max_size=300))
@settings(max_examples=50, deadline=None)
def test_it_agrees_with_eth_account(key: bytes, text: str) -> None:
    account = Account.from_key(key)
    signed = account.sign_message(encode_defunct(text=text))

    assert personal_digest(text) == bytes(defunct_hash_message(text=text))
    assert signer_of(personal_digest(text), bytes(signed.signature)) == account.address


def test_the_twin_of_a_signature_is_refused() -> None:
    """Negative control: eth-account itself accepts the upper half of s."""
    message, signature = PUBLISHED[0]
    raw = signature_bytes(signature)
    s = ORDER - int.from_bytes(raw[32:64], "big")
    twin = raw[:32] + s.to_bytes(32, "big") + bytes([28 if raw[64] == 27 else 27])

    assert Account.recover_message(encode_defunct(text=str(message)), signature=twin) == message.address
    assert signer_of(personal_digest(str(message)), twin) is None


@given(st.binary(max_size=70))
@settings(max_examples=300, deadline=None)
def test_other_bytes_are_nobodys_signature(raw: bytes) -> None:
    digest = personal_digest("x")
    signer = signer_of(digest, raw)
    assert signer is None or (len(raw) == 65 and raw[64] in (0, 1, 27, 28))


@pytest.mark.parametrize("raw", [b"\x00" * 64 + b"\x1b", b"\xff" * 64 + b"\x1b", b"\x01" * 64 + b"\x1d"])
def test_65_bytes_that_sign_nothing(raw: bytes) -> None:
    assert signer_of(personal_digest("x"), raw) is None


@pytest.mark.parametrize("text", ["", "0x", "0x1", "12", "0xzz", "0x 12", "0x12\n", "0x" + "00" * 4097])
def test_what_is_no_hexadecimal_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        signature_bytes(text)
