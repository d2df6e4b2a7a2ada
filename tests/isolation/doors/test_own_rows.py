"""The requests of the walk are good ones: with the caller's own ids they are carried out, in the own site only."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Role
from tests.clients import api
from tests.factories import make_member, make_wallet
from tests.isolation.doors.conftest import Standing, stand
from tests.isolation.doors.operations import Operation, operations, uuid_fields
from tests.isolation.doors.wishes import good_wish

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox")
tried = pytest.mark.isolation("every endpoint")
control = pytest.mark.isolation("every endpoint", control=True)
WRITES = [each for each in operations() if each.method != "GET" and not each.is_webhook]
KEYED = [each for each in WRITES if each.needs_key]
REPLAYED = "Idempotency-Replayed"


@pytest.fixture
def twins(admin_connection: Any) -> Standing:
    return stand(admin_connection)


@control
@pytest.mark.parametrize("operation", WRITES, ids=str)
def test_a_good_request_is_carried_out(operation: Operation, twins: Standing) -> None:
    """Negative control of the walk: its refusals are not those of a request that never works."""
    there = twins.witness.content(twins.there.site.id)
    answer = good_wish(operation, twins.here).send(twins.here.client())
    assert 200 <= answer.status_code < 300, answer.content
    assert twins.witness.content(twins.there.site.id) == there


def test_there_are_writes_with_a_key() -> None:
    assert len(KEYED) >= 3


def _names_rows(operation: Operation) -> bool:
    return bool(operation.path or list(uuid_fields(operation.body or {})))


@tried
@pytest.mark.parametrize("operation", KEYED, ids=str)
def test_a_key_used_in_another_site_is_a_new_key_here(operation: Operation, twins: Standing) -> None:
    here, there = _one_person_in_both(twins)
    key = {"Idempotency-Key": "one-key-in-both-sites"}
    first = good_wish(operation, twins.there).with_headers(**key).send(there)
    assert first.status_code < 300, first.content

    copied = good_wish(operation, twins.there).with_headers(**key).send(here)
    assert REPLAYED not in copied
    if not _names_rows(operation):
        # Nothing in it is the other site's: it is a write of its own, under a key that was not used here.
        assert copied.status_code == first.status_code, copied.content
        assert copied.json()["id"] != first.json()["id"]
        return
    assert copied.status_code in (403, 404, 409), copied.content
    assert not [mark for mark in twins.marks if mark in copied.content.decode()]

    own = good_wish(operation, twins.here).with_headers(**key).send(here)
    assert (own.status_code, REPLAYED in own) == (first.status_code, False), own.content
    assert not [mark for mark in twins.marks if mark in own.content.decode()]


@control
@pytest.mark.parametrize("operation", KEYED, ids=str)
def test_a_key_is_replayed_in_its_own_site(operation: Operation, twins: Standing) -> None:
    """Negative control of the test above: without another site the same key does find its answer."""
    wish = good_wish(operation, twins.here)
    client = twins.here.client()
    assert REPLAYED not in wish.send(client)
    assert wish.send(client)[REPLAYED] == "true"


def _one_person_in_both(twins: Standing) -> tuple[Any, Any]:
    """The hardest case: keys are kept by subject, and this subject is the caller of both sites."""
    person = twins.there.caller.identity
    member = make_member(twins.here.site, Role.APPROVER, identity=person)
    twins.here.ids["wallet_id"] = make_wallet(member).id
    return api(twins.here.site, person.subject), twins.there.client()
