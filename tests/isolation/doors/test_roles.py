"""docs/roles.md is what the code says, and what every operation does."""

from __future__ import annotations

from typing import Any

import pytest

from apps.operations.endpoints import ANONYMOUS, CALLERS, STRANGER, admitted, api_endpoints
from apps.operations.management.commands.describe_roles import roles_table
from tests.clients import api
from tests.isolation.doors.cases import NOWHERE
from tests.isolation.doors.conftest import Standing
from tests.isolation.doors.operations import Operation, operations
from tests.isolation.doors.twins import stranger_client
from tests.isolation.doors.wishes import Wish, good_wish
from tests.servers import BACKEND

pytestmark = pytest.mark.isolation("every endpoint")
PAGE = BACKEND.parent / "docs" / "roles.md"


def test_the_page_holds_the_table_as_the_code_has_it() -> None:
    assert roles_table() in PAGE.read_text(), "run: manage.py describe_roles"


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("operation", operations(), ids=str)
def test_each_operation_admits_whom_the_table_names(
    operation: Operation, caller: str, untouched: Standing
) -> None:
    endpoint = next(e for e in api_endpoints() if (e.method, e.route) == (operation.method, operation.route))
    answer = _wish(operation, untouched).send(_client(caller, untouched))
    assert answer.status_code < 500, answer.content
    assert _is_admitted(answer, caller) == (caller in admitted(endpoint)), answer.content


def test_the_refusals_differ_by_their_cause(untouched: Standing) -> None:
    """Negative control: the three answers that count as refused do occur."""
    operation = next(each for each in operations() if each.name == "staff_orders_list")
    answers = [
        _wish(operation, untouched).send(_client(who, untouched)) for who in (ANONYMOUS, STRANGER, "buyer")
    ]
    said = [(answer.status_code, answer.json()["code"]) for answer in answers]
    assert said == [(401, "not_authenticated"), (404, "unknown_site"), (403, "permission_denied")]


def _wish(operation: Operation, standing: Standing) -> Wish:
    """Good, but for rows that nobody has where it would write: who is admitted then finds nothing."""
    wish = good_wish(operation, standing.here)
    if operation.method == "GET":
        return wish
    body = wish.body
    if body:
        body = {
            key: NOWHERE if str(key).endswith("_id") and key != "chain_id" else value
            for key, value in body.items()
        }
    return Wish(**{**vars(wish), "path": dict.fromkeys(wish.path, NOWHERE), "body": body})


def _client(caller: str, standing: Standing) -> Any:
    if caller == ANONYMOUS:
        return api(standing.here.site)
    if caller == STRANGER:
        return stranger_client(standing.here.site)
    return standing.here.client(caller)


def _is_admitted(answer: Any, caller: str) -> bool:
    if answer.status_code < 300:
        return True
    code = answer.json()["code"]
    return code not in ("not_authenticated", "unknown_site", "permission_denied", "bad_signature")
