"""Negative controls: who only seems to be somebody, or somewhere, gets in once the check is taken away."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import jwt
import pytest
from pytest_django import Settings

from apps.accounts.tokens import Claims
from apps.sites.models import Site
from tests.clients import api
from tests.http_peers import public_pem
from tests.isolation.doors.conftest import Standing
from tests.isolation.doors.forgeries import FORGERIES, KEY
from tests.isolation.doors.operations import operation
from tests.isolation.doors.wishes import good_wish

ME = "/api/v1/me/"
SIGNED_BY_OTHERS = ["algorithm 'none'", "HS256 with the public key as PEM", "another key under the known kid"]


def _asked(site: Site, bearer: str) -> Any:
    return api(site).get(ME, HTTP_AUTHORIZATION=f"Bearer {bearer}")


@pytest.mark.isolation("forged tokens", control=True)
@pytest.mark.parametrize("name", SIGNED_BY_OTHERS)
def test_without_the_signature_a_forged_token_gets_in(
    name: str, standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def believed(token: str) -> Claims:
        payload = jwt.decode(token, options={"verify_signature": False})
        return Claims(payload["sub"], payload["exp"])

    monkeypatch.setattr("apps.accounts.authentication.verify_access_token", believed)
    forge, _code = FORGERIES[name]
    caller = standing.here.caller
    assert _asked(standing.here.site, forge(caller.identity.subject)).json()["id"] == str(caller.id)


@pytest.mark.isolation("forged tokens", control=True)
def test_a_verifier_that_lets_the_token_choose_takes_the_public_key_for_a_secret() -> None:
    """What the list of algorithms keeps away: PyJWT's own guard aside, the HMAC is right."""
    forge, _code = FORGERIES["HS256 with the public key as PEM"]
    signed, _dot, signature = forge("x").rpartition(".")
    expected = hmac.new(public_pem(KEY).encode(), signed.encode(), hashlib.sha256).digest()
    assert jwt.utils.base64url_decode(signature) == expected


@pytest.mark.isolation("host and header", control=True)
def test_with_trust_in_forwarded_hosts_the_caller_chooses_the_site(
    standing: Standing, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["testserver", ".example.test"]
    settings.USE_X_FORWARDED_HOST = True
    host = standing.there.site.host
    assert host is not None
    answer = good_wish(operation("tiers_list"), standing.here).with_headers(**{"X-Forwarded-Host": host})
    assert answer.send(api()).status_code == 200


@pytest.mark.isolation("host and header", control=True)
def test_a_view_that_asks_no_membership_is_found(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = standing.here.caller
    monkeypatch.setattr("apps.accounts.member_view.active_member", lambda **_: caller)
    wish = good_wish(operation("staff_orders_list"), standing.there)
    code = {"X-Site-Code": standing.there.site.code}
    answer = wish.with_headers(**code).send(api(None, caller.identity.subject))
    assert answer.status_code == 200
    assert [mark for mark in standing.marks if mark in answer.content.decode()]
