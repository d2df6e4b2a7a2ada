"""Form bodies with bracket nesting, as Stripe's API has them: metadata[order_id]=.., types[0]=.."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from devstack.stripe_sandbox.errors import StripeError, missing

Params = dict[str, Any]

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_MAX_METADATA = 50


def parse_form(text: str) -> Params:
    """Nested dicts; `a[]` gets numbers for keys. A name that is a value and a group at once is a 400."""
    params: Params = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        found = _KEY.fullmatch(key)
        if not found:
            raise StripeError(400, f"Invalid parameter name: {key}", code="parameter_unknown", param=key)
        _put(params, [found[1], *re.findall(r"\[([^\[\]]*)\]", found[2])], value, key)
    return params


def _put(params: Params, path: list[str], value: str, key: str) -> None:
    place: Any = params
    for part in path[:-1]:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise StripeError(400, f"Invalid object: {key}", param=key)
    last = path[-1] or str(len(place))
    if isinstance(place.get(last), dict):
        raise StripeError(400, f"Invalid value: {key}", param=key)
    place[last] = value


def as_list(value: Any) -> list[str]:
    """The values of `name[]=..` or `name[0]=..`, in order."""
    if isinstance(value, dict):
        return [str(item) for item in value.values()]
    return [] if value in (None, "") else [str(value)]


def text(params: Params, name: str) -> str | None:
    """A text parameter; absent and empty are None."""
    value = params.get(name)
    if isinstance(value, dict):
        raise StripeError(400, f"Invalid string: {name}", code="parameter_invalid_string", param=name)
    return str(value) if value not in (None, "") else None


def required(params: Params, name: str) -> str:
    """A text parameter that must be there."""
    value = text(params, name)
    if value is None:
        raise missing(name)
    return value


def integer(params: Params, name: str) -> int | None:
    """An integer parameter; 400 parameter_invalid_integer otherwise."""
    value = text(params, name)
    if value is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise StripeError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
    return int(value)


def flag(params: Params, name: str) -> bool:
    """A boolean parameter, false when absent."""
    value = text(params, name)
    if value not in (None, "true", "false"):
        raise StripeError(400, f"Invalid boolean: {value}", code="parameter_invalid_boolean", param=name)
    return value == "true"


def refuse_unknown(params: Params, known: Collection[str]) -> None:
    """Stripe refuses parameters that it does not know: a misspelt one is found here, not in production."""
    for name in params:
        if name not in known and name != "expand":
            raise StripeError(
                400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name
            )


def merge_metadata(current: dict[str, str], params: Params) -> dict[str, str]:
    """Metadata after a write: given keys replace, an empty value removes (50 keys of 40 and 500 characters)."""
    given = params.get("metadata")
    if given in (None, ""):
        return {} if given == "" else current
    if not isinstance(given, dict):
        raise StripeError(400, "Invalid object", param="metadata")
    merged = {**current, **{str(name): str(value) for name, value in given.items()}}
    too_long = any(len(name) > 40 or len(value) > 500 for name, value in merged.items())
    if too_long or len(merged) > _MAX_METADATA:
        raise StripeError(400, "Metadata is too large", param="metadata")
    return {name: value for name, value in merged.items() if value != ""}
