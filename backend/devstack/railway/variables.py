"""How Railway fills in a service's variables: `${{Service.NAME}}`, `${{shared.NAME}}`, `${{NAME}}`."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\{\{\s*([^}]+?)\s*\}\}")
_DEPTH = 5

Variables = Mapping[str, str]


def resolve(
    service: str, services: Mapping[str, Variables], shared: Variables | None = None
) -> dict[str, str]:
    """The variables of `service` with every reference filled in.

    A reference to what does not exist is an empty string, without a word: Railway does the same.
    """
    return {
        name: _filled(value, service, services, shared or {}, _DEPTH)
        for name, value in services[service].items()
    }


def _filled(
    value: str, service: str, services: Mapping[str, Variables], shared: Variables, depth: int
) -> str:
    if not depth:
        return ""  # a circle

    def one(match: re.Match[str]) -> str:
        owner, dot, name = match[1].rpartition(".")
        if owner == "shared":
            return _filled(shared.get(name, ""), service, services, shared, depth - 1)
        place = owner if dot else service
        return _filled(services.get(place, {}).get(name, ""), place, services, shared, depth - 1)

    return _REFERENCE.sub(one, value)
