"""What is wrong with terms, and where."""

from __future__ import annotations


class TermsError(ValueError):
    """The terms, or what they are applied to, make no schedule.

    `code` is stable; `path` says where in the value it is (`vesting.segments[0].cliff`), empty for the whole.
    """

    def __init__(self, code: str, detail: str, *, path: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.path = path


def whole(name: str, value: object, *, lowest: int, highest: int, path: str = "") -> int:
    """`value` when it is a whole number in the range. Raises TermsError NAME_not_whole, NAME_out_of_range."""
    # bool is an int, and a float that slipped in would make every later amount inexact.
    if type(value) is not int:
        raise TermsError(f"{name}_not_whole", f"{name} must be a whole number", path=path)
    if not lowest <= value <= highest:
        raise TermsError(f"{name}_out_of_range", f"{name} must be between {lowest} and {highest}", path=path)
    return value
