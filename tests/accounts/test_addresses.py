"""EIP-55 addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.addresses import InvalidAddress, checksum_address

# The vectors published in EIP-55 itself: all capitals, all lower, then mixed.
PUBLISHED = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("address", PUBLISHED)
def test_published_addresses_are_their_own_checksum(address: str) -> None:
    assert checksum_address(address) == address


@pytest.mark.parametrize("address", PUBLISHED)
def test_lower_case_is_normalised(address: str) -> None:
    assert checksum_address(address.lower()) == address


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "address_length"),
        ("0x", "address_length"),
        ("5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "address_length"),
        ("0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "address_length"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe", "address_length"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed0", "address_length"),
        (" 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "address_length"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe\n", "address_not_hex"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe\x00", "address_not_hex"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg", "address_not_hex"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe٣", "address_not_hex"),  # a digit, but not ASCII
        ("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "address_checksum"),
        ("0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED", "address_checksum"),
        ("0x" + "0" * 40, "address_zero"),
    ],
)
def test_what_is_no_address_is_refused_by_code(text: str, code: str) -> None:
    with pytest.raises(InvalidAddress) as refusal:
        checksum_address(text)
    assert refusal.value.code == code


@given(number=st.integers(1, 2**160 - 1))
def test_the_checksummed_form_is_accepted_again_and_unchanged(number: int) -> None:
    address = checksum_address(f"0x{number:040x}")
    assert checksum_address(address) == address
    assert int(address, 16) == number


@given(text=st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        assert int(checksum_address(text), 16) > 0
    except InvalidAddress as refusal:
        assert refusal.code.startswith("address_")
