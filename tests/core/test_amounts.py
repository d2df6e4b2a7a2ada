"""Amounts: exact both ways, and nothing that is not an integer gets in."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from apps.core.amounts import UINT256_MAX, BaseUnitsField, format_base_units, parse_tokens

amounts = st.integers(0, UINT256_MAX)
decimals = st.integers(0, 36)


@given(amounts, decimals)
def test_what_was_formatted_parses_to_the_same_amount(amount: int, places: int) -> None:
    assert parse_tokens(format_base_units(amount, places), places) == amount


@given(amounts, decimals)
def test_the_text_is_the_exact_quotient(amount: int, places: int) -> None:
    text = format_base_units(amount, places)

    whole, _, fraction = text.partition(".")
    assert int(whole + fraction.ljust(places, "0")) == amount
    assert not fraction.endswith("0")


@given(st.text(max_size=12), decimals)
def test_any_text_is_an_amount_or_a_value_error(text: str, places: int) -> None:
    try:
        amount = parse_tokens(text, places)
    except ValueError:
        return
    assert 0 <= amount <= UINT256_MAX


@pytest.mark.parametrize(
    "text",
    ["", ".", "1.", ".5", "-1", "+1", " 1", "1e3", "1_000", "1,5", "٣", "NaN", "0x1", "1.001", "9" * 400],
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_tokens(text, 2)


def test_the_largest_amount_fits_and_the_next_does_not() -> None:
    assert parse_tokens(str(UINT256_MAX), 0) == UINT256_MAX
    with pytest.raises(ValueError, match="256 bits"):
        parse_tokens(str(UINT256_MAX + 1), 0)


def test_zeros_behind_the_last_decimal_are_exact() -> None:
    assert parse_tokens("1.500", 1) == 15


@pytest.mark.parametrize("amount", [1.0, Decimal(1), True, "1"])
def test_only_an_int_is_formatted(amount: object) -> None:
    with pytest.raises(TypeError):
        format_base_units(amount, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1.0, True, "1.5", Decimal("1.5"), Decimal("NaN"), "x", Decimal("1e100")])
def test_the_field_refuses_what_is_no_whole_number(value: object) -> None:
    with pytest.raises(ValidationError):
        BaseUnitsField().to_python(value)


@given(st.integers(-UINT256_MAX, UINT256_MAX))
def test_the_field_keeps_every_digit(amount: int) -> None:
    field = BaseUnitsField()

    assert field.clean(amount, None) == amount
    assert field.to_python(str(amount)) == field.from_db_value(Decimal(amount), None, None) == amount  # type: ignore[arg-type]


def test_the_field_refuses_more_than_256_bits() -> None:
    with pytest.raises(ValidationError):
        BaseUnitsField().clean(UINT256_MAX + 1, None)


def test_the_fields_digits_are_not_in_its_migration() -> None:
    _, path, args, kwargs = BaseUnitsField(null=True).deconstruct()

    assert (path, args, kwargs) == ("apps.core.amounts.BaseUnitsField", [], {"null": True})
