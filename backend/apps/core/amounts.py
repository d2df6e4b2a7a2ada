"""Token amounts: integers in base units, NUMERIC(78,0) in PostgreSQL, exact decimal strings outside."""

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext_lazy as _

UINT256_MAX = 2**256 - 1
DECIMALS_MAX = 36
_TOKENS = re.compile(r"(?P<whole>[0-9]{1,78})(?:\.(?P<fraction>[0-9]{1,78}))?", re.ASCII)


def _check_decimals(decimals: int) -> None:
    if not 0 <= decimals <= DECIMALS_MAX:
        raise ValueError(f"decimals must be between 0 and {DECIMALS_MAX}, not {decimals}")


def format_base_units(amount: int, decimals: int) -> str:
    """Base units as whole tokens, exact and without trailing zeros: (1500, 3) -> "1.5".

    Raises TypeError for anything but an int: a Decimal's context rounds, a float has lost it already.
    """
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise TypeError(f"amount must be an int of base units, not {type(amount).__name__}")
    _check_decimals(decimals)
    whole, fraction = divmod(abs(amount), 10**decimals)
    digits = str(fraction).zfill(decimals).rstrip("0") if fraction else ""
    return f"{'-' if amount < 0 else ''}{whole}{'.' + digits if digits else ''}"


def parse_tokens(text: str, decimals: int) -> int:
    """Whole tokens as base units: ("1.5", 3) -> 1500.

    Raises ValueError unless the text is exact, unsigned and at most 2**256-1 base units.
    """
    _check_decimals(decimals)
    match = _TOKENS.fullmatch(text)
    if match is None:
        raise ValueError("an amount is written with digits and at most one point, like 12 or 12.5")
    fraction = (match["fraction"] or "").rstrip("0")
    if len(fraction) > decimals:
        raise ValueError(f"an amount of this asset has at most {decimals} decimals")
    amount = int(match["whole"] + fraction.ljust(decimals, "0"))
    if amount > UINT256_MAX:
        raise ValueError("an amount must fit in 256 bits")
    return amount


class BaseUnitsField(models.DecimalField):  # type: ignore[type-arg]  # generic in the stubs only
    """NUMERIC(78,0), wide enough for uint256, and an int in Python at every step."""

    description = _("Token amount in base units")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Digits are fixed: max_digits and decimal_places are not arguments."""
        kwargs["max_digits"] = 78
        kwargs["decimal_places"] = 0
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Without the fixed arguments."""
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, path, args, kwargs

    @property
    def validators(self) -> Sequence[Any]:  # type: ignore[override]  # Django caches it; ours is cheap
        """Range only: Django's DecimalValidator reads Decimal tuples, and values here are ints."""
        own = self._validators  # type: ignore[attr-defined]  # missing in the stubs
        return [*own, MinValueValidator(-UINT256_MAX), MaxValueValidator(UINT256_MAX)]

    def to_python(self, value: Any) -> int | None:
        """An int, from an int, a whole Decimal or a string of digits; a float or bool is refused."""
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, str | Decimal):
            whole = _whole(value)
            if whole is not None:
                return whole
        raise ValidationError(
            _("“%(value)s” is not a whole number of base units."), code="invalid", params={"value": value}
        )

    def from_db_value(
        self, value: Decimal | None, _expression: Any, _connection: BaseDatabaseWrapper
    ) -> int | None:
        """The database's Decimal as an int, before any arithmetic can round it."""
        return None if value is None else int(value)

    def get_prep_value(self, value: Any) -> Any:
        """An int for the driver; expressions pass through."""
        if hasattr(value, "resolve_expression"):
            return value
        return self.to_python(value)

    def get_db_prep_value(  # Django passes both by name
        self,
        value: Any,
        connection: BaseDatabaseWrapper,
        prepared: bool = False,
    ) -> Any:
        """The int itself: Django's own conversion would quantise it in a 28-digit context."""
        return value if prepared else self.get_prep_value(value)


def _whole(value: str | Decimal) -> int | None:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or number.adjusted() > 77 or number != int(number):
        return None
    return int(number)
