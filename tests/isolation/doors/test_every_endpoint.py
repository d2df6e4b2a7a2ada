"""Every operation with ids of another site, against the same with ids of nothing: the two cannot be told apart."""

from __future__ import annotations

from collections import Counter

import pytest

from apps.operations.endpoints import api_endpoints, is_document
from tests.isolation.doors.cases import Case, cases, findings, moved_cursor, next_cursor, shown
from tests.isolation.doors.conftest import Standing
from tests.isolation.doors.operations import Operation, operations
from tests.isolation.doors.wishes import good_wish

pytestmark = pytest.mark.isolation("every endpoint")
READS = [each for each in operations() if each.method == "GET"]
LISTS = [each for each in READS if each.is_list]


def test_the_schema_and_the_urls_list_the_same_operations() -> None:
    described = Counter((each.method, each.route) for each in operations())
    routed = Counter((each.method, each.route) for each in api_endpoints() if not is_document(each))
    assert described == routed
    assert len(described) >= 30


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_the_walk_can_make_a_request_for_each(operation: Operation, standing: Standing) -> None:
    for twin in (standing.here, standing.there):
        good_wish(operation, twin)


def test_the_other_site_has_rows_in_each_table(standing: Standing) -> None:
    rows = standing.witness.tables(standing.there.site.id)
    assert [table for table, count in rows.items() if not count] == []
    assert len(standing.marks) > 50


@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_foreign_id_is_like_an_unknown_one(case: Case, untouched: Standing) -> None:
    assert findings(case, untouched.here, untouched.there, untouched.marks) == []


@pytest.mark.parametrize("operation", READS, ids=str)
def test_what_is_read_shows_nothing_of_another_site(operation: Operation, untouched: Standing) -> None:
    answer, leaks = shown(operation, untouched.here, untouched.marks)
    assert (answer.status, leaks) == (200, [])


@pytest.mark.parametrize(
    ("operation", "name", "value"),
    [
        pytest.param(each, name, str(value), id=f"{each} {name}={value}")
        for each in READS
        for name, schema in each.query.items()
        for value in schema.get("enum", [])
    ],
)
def test_no_filter_shows_another_site(
    operation: Operation, name: str, value: str, untouched: Standing
) -> None:
    answer, leaks = shown(operation, untouched.here, untouched.marks, **{name: value})
    assert (answer.status, leaks) == (200, [])


@pytest.mark.parametrize("operation", READS, ids=str)
def test_every_query_parameter_is_walked(operation: Operation) -> None:
    for name, schema in operation.query.items():
        # A time names no row.
        known = (
            schema.get("format") in ("uuid", "date-time") or "enum" in schema or name in ("cursor", "limit")
        )
        assert known, f"{operation.name}: teach tests/isolation/doors/cases.py to walk {name!r}"


@pytest.mark.parametrize("operation", LISTS, ids=str)
def test_a_foreign_cursor_is_only_a_place_in_the_order(operation: Operation, untouched: Standing) -> None:
    foreign = next_cursor(operation, untouched.there)
    answer, leaks = shown(operation, untouched.here, untouched.marks, cursor=foreign)
    beside, _ = shown(operation, untouched.here, untouched.marks, cursor=moved_cursor(foreign))
    assert (answer.status, leaks) == (200, [])
    assert answer.differences(beside) == []
