"""Base units to Fireblocks' decimal text and back."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.payouts.custody.amounts import from_provider_amount, to_provider_amount

amounts = st.integers(0, 2**256 - 1)
decimals = st.integers(0, 36)


@pytest.mark.parametrize(
    ("base_units", "places", "text"),
    [
        (0, 18, "0"),
        (1, 0, "1"),
        (10, 0, "10"),
        (100, 2, "1"),
        (1, 18, "0.000000000000000001"),
        (1_500_000_000_000_000_000, 18, "1.5"),
        (1_000_000, 6, "1"),
        (10**30 + 1, 18, "1000000000000.000000000000000001"),
    ],
)
def test_amounts_are_written_in_whole_assets(base_units: int, places: int, text: str) -> None:
    assert to_provider_amount(base_units, places) == text
    assert from_provider_amount(text, places) == base_units


@given(base_units=amounts, places=decimals)
def test_there_and_back_is_exact(base_units: int, places: int) -> None:
    assert from_provider_amount(to_provider_amount(base_units, places), places) == base_units


@given(base_units=amounts, places=decimals)
def test_the_text_is_the_exact_quotient_without_an_exponent(base_units: int, places: int) -> None:
    text = to_provider_amount(base_units, places)
    assert Fraction(text) == Fraction(base_units, 10**places)
    assert set(text) <= set("0123456789.")


@pytest.mark.parametrize(
    ("text", "base_units"), [("1e-7", 10**11), ("1.5E3", 1500 * 10**18), ("2.50", 25 * 10**17)]
)
def test_json_numbers_and_trailing_zeros_are_read(text: str, base_units: int) -> None:
    assert from_provider_amount(text, 18) == base_units


@pytest.mark.parametrize(
    "text",
    ["", ".", "-1", "+1", "1,5", "1_0", " 1", "NaN", "Infinity", "1e", "١", "1e9999", "0x1", "None", "1\n"],
)
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="plain decimal"):
        from_provider_amount(text, 18)


def test_more_places_than_the_asset_has_are_refused_not_rounded() -> None:
    with pytest.raises(ValueError, match="finer"):
        from_provider_amount("0.0000001", 6)


def test_negative_amounts_are_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        to_provider_amount(-1, 18)
