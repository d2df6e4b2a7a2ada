"""The OpenAPI document: its examples are of its own schemas, and every failure is a problem document."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

Schema = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")


@cache
def document() -> Any:
    return SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]


def operations() -> Iterator[tuple[str, Schema]]:
    for methods in document()["paths"].values():
        for method, described in methods.items():
            if method in METHODS:
                yield described["operationId"], described


def contents() -> Iterator[tuple[str, str, Schema]]:
    """(where, "request" or the status, media type object) of everything that is JSON."""
    for name, described in operations():
        for media in described.get("requestBody", {}).get("content", {}).values():
            yield name, "request", media
        for status, response in described["responses"].items():
            for media_type, media in response.get("content", {}).items():
                if "json" in media_type:
                    yield name, status, media


def faults_of(value: Any, schema: Schema) -> list[str]:
    """What is wrong with a value of a schema of the document."""
    whole = {**schema, "components": document()["components"]}
    checked = jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())
    return [error.message for error in checked.iter_errors(value)]


def test_every_example_is_of_its_schema() -> None:
    wrong = []
    seen = 0
    for name, where, media in contents():
        values = [each["value"] for each in media.get("examples", {}).values()]
        values += [media["example"]] if "example" in media else []
        seen += len(values)
        wrong += [(name, where, fault) for value in values for fault in faults_of(value, media["schema"])]
    assert seen > 80
    assert wrong == []


def test_every_request_has_an_example() -> None:
    # What the providers send is theirs to describe.
    without = [name for name, where, media in contents() if where == "request" and not media.get("examples")]
    assert sorted(without) == ["webhooks_fireblocks", "webhooks_stripe"]


def test_every_answer_that_is_a_document_has_an_example() -> None:
    without = [
        name
        for name, where, media in contents()
        if where.startswith("2")
        and "$ref" in media.get("schema", {})
        and not {"example", "examples"} & set(media)
    ]
    assert without == []


def test_every_failure_is_a_problem_document() -> None:
    for name, described in operations():
        failures = [status for status in described["responses"] if status >= "4"]
        for status in failures:
            assert list(described["responses"][status]["content"]) == ["application/problem+json"], name


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("address", "body"),
    [("/api/v1/tiers/", None), ("/api/v1/nowhere/", None), ("/api/v1/webhooks/stripe/", {"not": "signed"})],
)
def test_what_is_answered_is_what_is_described(address: str, body: dict[str, str] | None) -> None:
    answer = Client().post(address, body, "application/json") if body else Client().get(address)
    assert answer.status_code >= 400
    assert faults_of(answer.json(), {"$ref": "#/components/schemas/Problem"}) == []


def test_an_example_that_is_not_of_its_schema_is_found() -> None:
    """The negative control."""
    wish = {"tier_id": "x", "quantity_units": "3"}
    assert len(faults_of(wish, {"$ref": "#/components/schemas/OrderRequestRequest"})) >= 2
