"""Naming another site: with a token of A, B is answered as if it did not exist, and two names are none."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from apps.operations.endpoints import STRANGER, Endpoint, admitted, api_endpoints, is_document, is_signed
from tests.clients import api
from tests.isolation.doors.conftest import Standing
from tests.isolation.doors.operations import Operation, operations
from tests.isolation.doors.wishes import Wish, good_wish

pytestmark = pytest.mark.isolation("host and header")
NOWHERE = "NOWHERE"
OF_A_SITE = [each for each in operations() if not each.is_webhook]


def _endpoint(operation: Operation) -> Endpoint:
    return next(e for e in api_endpoints() if (e.method, e.route) == (operation.method, operation.route))


# Others need a membership. These two kinds say of every site whether it exists, on purpose: the public catalogue
# (tiers), and joining a site, which a closed site refuses with 403.
FOR_MEMBERS = [each for each in OF_A_SITE if STRANGER not in admitted(_endpoint(each))]
FOR_STRANGERS = [each for each in OF_A_SITE if STRANGER in admitted(_endpoint(each))]


@pytest.fixture(autouse=True)
def _hosts(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["testserver", ".example.test"]


def _sent(wish: Wish, standing: Standing, **headers: str) -> Any:
    """With the token of A's caller, who is nobody in B."""
    return wish.with_headers(**headers).send(api(None, standing.here.caller.identity.subject))


def _said(answer: Any) -> tuple[int, dict[str, Any], str]:
    return answer.status_code, {**answer.json(), "request_id": ""}, answer["Content-Type"]


def test_nothing_else_is_open_to_strangers() -> None:
    assert {each.name for each in FOR_STRANGERS} == {"me_join", "tiers_list", "tiers_read"}
    assert [each for each in api_endpoints() if is_signed(each) and is_document(each)] == []


@pytest.mark.parametrize("operation", FOR_MEMBERS, ids=str)
@pytest.mark.parametrize("by", ["X-Site-Code", "Host"])
def test_a_site_of_others_is_as_if_unknown(by: str, operation: Operation, untouched: Standing) -> None:
    there = untouched.there.site
    wish = good_wish(operation, untouched.there)
    assert there.host is not None
    foreign = _sent(wish, untouched, **{by: there.code if by == "X-Site-Code" else there.host})
    unknown = _sent(wish, untouched, **{"X-Site-Code": NOWHERE})
    assert _said(foreign) == _said(unknown)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "unknown_site")


@pytest.mark.parametrize("operation", FOR_STRANGERS, ids=str)
def test_what_strangers_may_ask_leaves_the_site_as_it_was(operation: Operation, untouched: Standing) -> None:
    answer = _sent(
        good_wish(operation, untouched.there), untouched, **{"X-Site-Code": untouched.there.site.code}
    )
    assert answer.status_code == (403 if operation.name == "me_join" else 200)


@pytest.mark.parametrize("operation", OF_A_SITE, ids=str)
@pytest.mark.parametrize("swapped", [False, True], ids=["own host", "own code"])
def test_two_sites_in_one_request_are_refused(
    swapped: bool, operation: Operation, untouched: Standing
) -> None:
    host, code = untouched.here.site, untouched.there.site
    if swapped:
        host, code = code, host
    assert host.host is not None
    wish = good_wish(operation, untouched.here)
    answer = _sent(wish, untouched, **{"Host": host.host, "X-Site-Code": code.code})
    assert (answer.status_code, answer.json()["code"]) == (400, "two_sites")


@pytest.mark.parametrize("operation", OF_A_SITE, ids=str)
def test_no_site_is_refused(operation: Operation, untouched: Standing) -> None:
    answer = _sent(good_wish(operation, untouched.here), untouched)
    assert (answer.status_code, answer.json()["code"]) == (400, "no_site")


@pytest.mark.parametrize("operation", OF_A_SITE, ids=str)
def test_a_forwarded_host_names_nothing(operation: Operation, untouched: Standing) -> None:
    """X-Forwarded-Host comes from the caller: it must not choose the site."""
    host = untouched.there.site.host
    assert host is not None
    answer = _sent(good_wish(operation, untouched.here), untouched, **{"X-Forwarded-Host": host})
    assert (answer.status_code, answer.json()["code"]) == (400, "no_site")
