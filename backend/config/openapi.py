"""The last touch on the OpenAPI document: every failure is a problem document, and every answer has an example.

Examples of answers are put together from their schemas, so that they never show a field that is not there; a value
comes from its field's name, or else from its type. Requests carry examples of their own, beside their serializers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]
PROBLEM_MEDIA_TYPE = "application/problem+json"
_TEXT: Schema = {"type": "string"}
_FIELD_ERROR: Schema = {
    "type": "object",
    "required": ["field", "code", "detail"],
    "properties": {
        "field": {**_TEXT, "description": "A dotted path; empty when the whole body is meant."},
        "code": _TEXT,
        "detail": _TEXT,
    },
}
PROBLEM: Schema = {
    "type": "object",
    "description": "A problem document (RFC 9457). `code` is stable; `detail` is for people.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "code": _TEXT,
        "request_id": {**_TEXT, "description": "In the logs of web and worker too."},
        "errors": {"type": "array", "items": _FIELD_ERROR},
    },
}
_BY_NAME: dict[str, Any] = {
    "address": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "to_address": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "new_address": "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "contract_address": "0xdAC17F958D2ee523a2206206994597C13D831ec7",
    "asset_code": "POSX",
    "currency": "USD",
    "tokens": "97.5",
    "base_units": "97500000000000000000",
    "tx_hash": "0x" + "4e" * 32,
    "plan_sha256": "9f" * 32,
    "payment_intent_id": "pi_3Nabc",
    "client_secret": "pi_3Nabc_secret_xyz",
    "stripe_refund_id": "re_3Nabc",
    "external_id": "posx-01a1f7d27c3b7cc0a1d5c0de2b8e9f10-1",
    "cause_kind": "refund",
    "source_kind": "order",
    "period_unit": "month",
    "cliff_unit": "month",
    "url": "https://example.com/hooks/posx",
    "hold_code": "",
    "problem_code": "",
    "next": "bz0xJnI9MQ",
}
_BY_FORMAT = {
    "uuid": "01a1f7d2-7c3b-7cc0-a1d5-c0de2b8e9f10",
    "date-time": "2026-11-26T12:00:00Z",
    "date": "2026-11-26",
    "email": "holder@example.com",
    "uri": "https://example.com/",
}
_BY_TYPE: dict[str, Any] = {"string": "text", "integer": 1, "number": 1, "boolean": True, "null": None}


def finish(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """drf-spectacular's POSTPROCESSING_HOOKS: changes and returns the document."""
    schemas = result["components"]["schemas"]
    schemas["Problem"] = PROBLEM
    for methods in result["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status >= "4":
                    response["content"] = {PROBLEM_MEDIA_TYPE: _problem()}
                else:
                    _show(response, schemas)
    return result


def _problem() -> Schema:
    return {"schema": {"$ref": "#/components/schemas/Problem"}}


def _show(response: Schema, schemas: Mapping[str, Schema]) -> None:
    described = response.get("content", {}).get("application/json")
    if described and "examples" not in described and "$ref" in described.get("schema", {}):
        described["example"] = example_of(described["schema"], schemas)


def example_of(schema: Schema, schemas: Mapping[str, Schema], name: str = "") -> Any:
    """A value of this schema; ``name`` is the property that holds it."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rsplit("/", 1)[1]], schemas, name)
    for several in ("allOf", "oneOf", "anyOf"):
        if several in schema:
            return example_of(schema[several][0], schemas, name)
    if "properties" in schema:
        return {key: example_of(inner, schemas, key) for key, inner in schema["properties"].items()}
    if "items" in schema:
        return [example_of(schema["items"], schemas, name)]
    return _value(schema, name)


def _value(schema: Schema, name: str) -> Any:
    named = _BY_NAME.get(name, _BY_NAME.get(_unit(name)))
    if "enum" in schema:
        return named if named in schema["enum"] else schema["enum"][0]
    kinds = schema.get("type", "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    if named is not None and kind == "string":
        return named
    return {} if kind == "object" else _BY_TYPE[kind]


def _unit(name: str) -> str:
    """`amount_base_units` is in base_units, `total_tokens` in tokens."""
    return next((unit for unit in ("base_units", "tokens") if name.endswith(f"_{unit}")), name)
