"""Requests made from an operation's schemas: a good one of the caller's own, and the same with other ids in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from tests.isolation.doors.operations import Operation, Schema
from tests.isolation.doors.twins import Twin, UnknownParameter

NOON = "2030-01-01T12:00:00Z"
IdOf = Callable[[str], str]


@dataclass(frozen=True)
class Wish:
    """One request, ready to be sent."""

    operation: Operation
    path: dict[str, str]
    query: dict[str, str]
    body: Any
    headers: dict[str, str]

    @property
    def url(self) -> str:
        """Path and query."""
        address = self.operation.route.format(**self.path)
        return f"{address}?{urlencode(self.query)}" if self.query else address

    def send(self, client: Any, method: str | None = None) -> Any:
        """The response of REST framework's test client."""
        data = "" if self.body is None else json.dumps(self.body)
        return client.generic(
            method or self.operation.method,
            self.url,
            data,
            content_type="application/json",
            headers=self.headers,
        )

    def text(self) -> str:
        """Everything in it that the caller sent."""
        return " ".join([self.url, json.dumps(self.body), *self.headers.values()])

    def with_query(self, **query: str) -> Wish:
        return replace(self, query={**self.query, **query})

    def with_headers(self, **headers: str) -> Wish:
        return replace(self, headers={**self.headers, **headers})


def good_wish(operation: Operation, twin: Twin, *, samples: Twin | None = None) -> Wish:
    """What the twin's caller may ask for; ``samples``: take values that are no ids from the other twin."""
    return Wish(
        operation=operation,
        path={name: _path_value(operation, name, schema, twin) for name, schema in operation.path.items()},
        query={},
        body=None if operation.body is None else _value("", operation.body, twin, samples or twin),
        headers={name: _header(name) for name in operation.headers},
    )


def in_body(wish: Wish, way: tuple[str, ...], value: str, *, beside_own: bool = False) -> Wish:
    """The wish with another id at one place of its body; ``beside_own`` adds it to an array."""
    return replace(wish, body=_changed(wish.body, way, value, beside_own))


def id_name(way: tuple[str, ...]) -> str:
    """The parameter's name for an id in a body: the last word, in the singular inside an array."""
    names = [part for part in way if part != "*"]
    last = names[-1] if names else ""
    return f"{last.removesuffix('_ids')}_id" if last.endswith("_ids") else last


def _path_value(operation: Operation, name: str, schema: Schema, twin: Twin) -> str:
    if schema.get("format") != "uuid":
        raise UnknownParameter(name)
    # An order that can be cancelled is none that can be refunded.
    special = f"{operation.name}.{name}"
    return twin.id_of(special if special in twin.ids else name)


def _header(name: str) -> str:
    if name == "Idempotency-Key":
        return str(uuid4())
    if name.endswith("-Signature"):
        return "t=1,v1=forged"
    raise UnknownParameter(name)


def _value(name: str, schema: Schema, twin: Twin, samples: Twin) -> Any:
    known = samples.sample(name)
    if known is not None:
        return known
    kinds = schema.get("type", "object")
    kind = next(k for k in (kinds if isinstance(kinds, list) else [kinds]) if k != "null")
    if kind == "object" and "null" in kinds and "properties" not in schema:
        return None  # a value that may be left out, and whose shape the schema does not tell
    match kind:
        case "object":
            inner = schema.get("properties", {})
            return {key: _value(key, value, twin, samples) for key, value in inner.items()}
        case "array":
            return [_value(f"{name.removesuffix('_ids')}_id", schema["items"], twin, samples)]
        case "integer":
            return max(schema.get("minimum", 1), 1)
        case "boolean":
            return False
        case "string":
            return _string(name, schema, twin)
        case _:
            raise UnknownParameter(name)


def _string(name: str, schema: Schema, twin: Twin) -> str:
    if schema.get("format") == "uuid":
        return twin.id_of(name)
    if schema.get("format") == "date-time":
        return NOON
    if "enum" in schema:
        return str(schema["enum"][0])
    if "pattern" in schema or "format" in schema:
        raise UnknownParameter(name)
    return f"a {name}"


def _changed(body: Any, way: tuple[str, ...], value: str, beside_own: bool) -> Any:
    if not way:
        return value
    head, rest = way[0], way[1:]
    if head == "*":
        changed = [_changed(item, rest, value, beside_own) for item in body[:1]]
        return [*body, *changed] if beside_own else changed
    return {**body, head: _changed(body[head], rest, value, beside_own)}
