"""Every operation of the API as drf-spectacular describes it: what the walk of the doors is made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator

Schema = dict[str, Any]
_METHODS = ("get", "put", "post", "delete", "patch", "options", "head")


@dataclass(frozen=True)
class Operation:
    """One method at one address, with the schemas of what it takes; ``body`` None: it takes none."""

    name: str
    method: str
    route: str
    path: dict[str, Schema]
    query: dict[str, Schema]
    headers: dict[str, Schema]
    body: Schema | None
    is_public: bool

    def __str__(self) -> str:
        return self.name

    @property
    def is_webhook(self) -> bool:
        """Opened by a signature; it knows no site and takes no ids."""
        return self.route.startswith("/api/v1/webhooks/")

    @property
    def needs_key(self) -> bool:
        """Whether it takes an Idempotency-Key."""
        return "Idempotency-Key" in self.headers

    @property
    def is_list(self) -> bool:
        """Whether it is paged by a cursor."""
        return "cursor" in self.query


@cache
def operations() -> list[Operation]:
    """All of them, by address and method. Raises ValueError for a shape that the walk cannot read."""
    document: Any = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    found = [
        _operation(route, method, described, document)
        for route, methods in document["paths"].items()
        for method, described in methods.items()
        if method in _METHODS
    ]
    return sorted(found, key=lambda operation: (operation.route, operation.method))


def operation(name: str) -> Operation:
    """The one with this operation id."""
    return next(each for each in operations() if each.name == name)


def uuid_fields(schema: Schema, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The ways to each id in a body; "*" is every item of an array."""
    if schema.get("format") == "uuid":
        yield at
    for name, inner in schema.get("properties", {}).items():
        yield from uuid_fields(inner, (*at, name))
    if "items" in schema:
        yield from uuid_fields(schema["items"], (*at, "*"))


def _operation(route: str, method: str, described: Schema, document: Schema) -> Operation:
    given: dict[str, dict[str, Schema]] = {"path": {}, "query": {}, "header": {}}
    for parameter in described.get("parameters", []):
        given[parameter["in"]][parameter["name"]] = _resolved(parameter["schema"], document)
    return Operation(
        name=described["operationId"],
        method=method.upper(),
        route=route,
        path=given["path"],
        query=given["query"],
        headers=given["header"],
        body=_body(described, document),
        is_public={} in described.get("security", [{}]),
    )


def _body(described: Schema, document: Schema) -> Schema | None:
    content = described.get("requestBody", {}).get("content", {})
    if not content:
        return None
    if set(content) != {"application/json"}:
        raise ValueError(f"{described['operationId']}: teach the walk to send {sorted(content)}")
    return _resolved(content["application/json"]["schema"], document)


def _resolved(schema: Schema, document: Schema) -> Schema:
    """The schema with every $ref and allOf put in its place."""
    parts = [schema[key] for key in ("$ref",) if key in schema]
    merged: Schema = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
    for reference in parts:
        merged |= _resolved(document["components"]["schemas"][reference.rsplit("/", 1)[1]], document)
    for part in schema.get("allOf", []):
        merged |= _resolved(part, document)
    if "properties" in merged:
        merged["properties"] = {n: _resolved(s, document) for n, s in merged["properties"].items()}
    if "items" in merged:
        merged["items"] = _resolved(merged["items"], document)
    return merged
