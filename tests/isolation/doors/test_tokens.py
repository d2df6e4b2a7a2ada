"""Forged tokens, at the endpoints themselves: refused with one problem, whatever is asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from apps.accounts.models import Identity, Membership, Role
from apps.core.jwks import JwksCache, shared_cache
from apps.operations.endpoints import ANONYMOUS, admitted, api_endpoints
from apps.sites.models import Site
from tests.clients import api
from tests.factories import in_site, make_member, make_site
from tests.http_peers import Answer, Peer, jwk, running_peer
from tests.isolation.doors.conftest import Standing
from tests.isolation.doors.forgeries import AUDIENCE, FORGERIES, ISSUER, KEY, KID, THIEF, token
from tests.isolation.doors.operations import operations
from tests.isolation.doors.wishes import good_wish

pytestmark = pytest.mark.isolation("forged tokens")
ME = "/api/v1/me/"
WITH_TOKENS = {(e.method, e.route) for e in api_endpoints() if admitted(e) and ANONYMOUS not in admitted(e)}
GUARDED = [each for each in operations() if (each.method, each.route) in WITH_TOKENS]


@pytest.fixture
def publisher(settings: Settings) -> Iterator[Peer]:
    """Publishes the issuer's keys, which the settings trust."""
    with running_peer() as peer:
        peer.always(Answer(body={"keys": [jwk(KEY, KID)]}))
        settings.AUTH0_ISSUER, settings.AUTH0_AUDIENCE = ISSUER, AUDIENCE
        settings.AUTH0_JWKS_URL = f"{peer.url}/.well-known/jwks.json"
        yield peer
        shared_cache.cache_clear()


@pytest.fixture
def keys(publisher: Peer, settings: Settings) -> JwksCache:
    """The process' cache of those keys."""
    return shared_cache(settings.AUTH0_JWKS_URL)


def _client(site: Site, bearer: str) -> Any:
    client = api(site)
    client.credentials(HTTP_X_SITE_CODE=site.code, HTTP_AUTHORIZATION=f"Bearer {bearer}")
    return client


def _refusal(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("name", FORGERIES)
def test_no_endpoint_takes_a_forged_token(
    name: str, publisher: Peer, untouched: Standing, record_property: Any
) -> None:
    twin = untouched.here
    forge, code = FORGERIES[name]
    client = _client(twin.site, forge(twin.caller.identity.subject))
    record_property("isolation_cases", len(GUARDED))
    assert len(GUARDED) > 20
    for operation in GUARDED:
        answer = good_wish(operation, twin).send(client)
        assert _refusal(answer) == (401, code), operation.name
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert not [mark for mark in twin.ids.values() if str(mark) in answer.content.decode()]
    assert {asked.path for asked in publisher.asked} <= {"/.well-known/jwks.json"}


@pytest.mark.parametrize(
    "header", ["Basic dTpw", "Bearer", "Bearer ", "bearer a b", "Token x", "Bearer \x00"], ids=repr
)
def test_other_headers_are_no_tokens(header: str, publisher: Peer, untouched: Standing) -> None:
    answer = api(untouched.here.site).get(ME, HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


def test_a_token_in_the_address_is_nothing(publisher: Peer, untouched: Standing) -> None:
    bearer = token(untouched.here.caller.identity.subject)
    answer = api(untouched.here.site).get(ME, {"access_token": bearer})
    assert _refusal(answer) == (401, "not_authenticated")


def test_a_membership_of_another_site_is_none(publisher: Peer, untouched: Standing) -> None:
    bearer = token(untouched.there.caller.identity.subject)
    for operation in GUARDED:
        if operation.name != "me_join":
            answer = good_wish(operation, untouched.here).send(_client(untouched.here.site, bearer))
            assert _refusal(answer) == (404, "unknown_site"), operation.name


def test_a_site_named_in_the_token_counts_for_nothing(publisher: Peer, untouched: Standing) -> None:
    there = untouched.there.site
    bearer = token(
        untouched.here.caller.identity.subject, site=there.code, site_id=str(there.id), role="approver"
    )
    assert _refusal(_client(there, bearer).get(ME)) == (404, "unknown_site")


def test_during_an_outage_known_keys_go_on_and_unknown_ones_wait(
    publisher: Peer, keys: JwksCache, untouched: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, subject = untouched.here.site, untouched.here.caller.identity.subject
    assert _client(site, token(subject)).get(ME).status_code == 200
    publisher.always(Answer(500))
    monkeypatch.setattr(keys, "_clock", lambda: time.monotonic() + 3600)  # the kept set is old by now
    assert _client(site, token(subject)).get(ME).status_code == 200
    answer = _client(site, token(subject, key=THIEF, headers={"kid": "new"})).get(ME)
    assert _refusal(answer) == (503, "token_keys_unavailable")
    assert int(answer["Retry-After"]) > 0
    assert len(publisher.asked) >= 2


def test_without_any_key_nobody_is_let_in(publisher: Peer, untouched: Standing) -> None:
    publisher.always(Answer(500))
    answer = _client(untouched.here.site, token(untouched.here.caller.identity.subject)).get(ME)
    assert _refusal(answer) == (503, "token_keys_unavailable")


class TestPeopleWhoLeft:
    """Good tokens of people or sites that are switched off. Each makes a member of its own."""

    @pytest.fixture
    def member(self, publisher: Peer, standing: Standing) -> Membership:
        return make_member(standing.here.site, Role.APPROVER)

    def _ask(self, member: Membership, method: str = "get") -> tuple[int, str]:
        client = _client(member.site, token(member.identity.subject))
        return _refusal(getattr(client, method)(ME))

    def test_a_good_token_is_taken(self, member: Membership) -> None:
        """Negative control: nothing but what each test changes keeps them out."""
        assert _client(member.site, token(member.identity.subject)).get(ME).status_code == 200

    def test_a_deactivated_identity_is_a_stranger(self, member: Membership) -> None:
        Identity.objects.filter(subject=member.identity.subject).update(is_active=False)
        assert self._ask(member) == (404, "unknown_site")
        assert self._ask(member, "post") == (403, "identity_inactive")

    def test_a_deactivated_membership_is_none(self, member: Membership) -> None:
        with in_site(member.site):
            Membership.objects.filter(id=member.id).update(is_active=False)
        assert self._ask(member) == (404, "unknown_site")
        assert self._ask(member, "post") == (403, "membership_inactive")

    def test_an_inactive_site_is_gone(self, publisher: Peer, standing: Standing) -> None:
        member = make_member(make_site("CLOSED"), Role.APPROVER)
        Site.objects.filter(code="CLOSED").update(is_active=False)
        assert self._ask(member) == (404, "unknown_site")
        assert self._ask(member, "post") == (404, "unknown_site")

    def test_a_role_that_was_taken_away_is_gone_at_once(self, member: Membership) -> None:
        client = _client(member.site, token(member.identity.subject))
        assert client.get("/api/v1/staff/orders/").status_code == 200
        with in_site(member.site):
            Membership.objects.filter(id=member.id).update(role=Role.BUYER)
        assert _refusal(client.get("/api/v1/staff/orders/")) == (403, "permission_denied")
