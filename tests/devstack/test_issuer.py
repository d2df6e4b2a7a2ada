"""The local issuer's tokens, checked as a resource server checks Auth0's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from devstack.issuer import LocalIssuer

AUDIENCE = "https://api.posx.test"


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[LocalIssuer]:
    issuer = LocalIssuer(tmp_path / "issuer.sqlite3", 0, None, AUDIENCE)
    issuer.start()
    yield issuer
    issuer.stop()


def verified(issuer: LocalIssuer, token: str) -> Any:
    configuration = requests.get(f"{issuer.base_url}/.well-known/openid-configuration", timeout=5).json()
    key = jwt.PyJWKClient(configuration["jwks_uri"]).get_signing_key_from_jwt(token).key
    return jwt.decode(token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=configuration["issuer"])


def test_a_minted_token_verifies(issuer: LocalIssuer) -> None:
    claims = verified(issuer, issuer.mint("auth0|buyer", ttl_s=60, email="buyer@example.test"))

    assert claims["sub"] == "auth0|buyer"
    assert claims["email"] == "buyer@example.test"
    assert claims["exp"] - claims["iat"] == 60
    assert claims["scope"]


def test_a_token_comes_over_http(issuer: LocalIssuer) -> None:
    body = {"subject": "auth0|staff", "ttl_s": 120}
    answer = requests.post(f"{issuer.base_url}/_sandbox/token", json=body, timeout=5).json()

    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 120)
    assert verified(issuer, answer["access_token"])["sub"] == "auth0|staff"


@pytest.mark.parametrize("body", [{}, {"subject": ""}, {"subject": "a", "ttl_s": "x"}])
def test_a_bad_request_for_a_token_is_refused(issuer: LocalIssuer, body: Any) -> None:
    assert requests.post(f"{issuer.base_url}/_sandbox/token", json=body, timeout=5).status_code == 400


def test_an_expired_token_is_expired(issuer: LocalIssuer) -> None:
    with pytest.raises(jwt.ExpiredSignatureError):
        verified(issuer, issuer.mint("auth0|buyer", ttl_s=-1))


def test_rotation_keeps_old_tokens_unless_told_otherwise(issuer: LocalIssuer) -> None:
    old = issuer.mint("auth0|buyer")

    issuer.rotate_key()
    assert verified(issuer, old)["sub"] == "auth0|buyer"
    assert verified(issuer, issuer.mint("auth0|buyer"))["sub"] == "auth0|buyer"

    issuer.rotate_key(keep_previous=False)
    with pytest.raises(jwt.PyJWKClientError):
        verified(issuer, old)


def test_the_key_survives_a_restart(tmp_path: Path) -> None:
    first = LocalIssuer(tmp_path / "i.sqlite3", 0, "https://issuer.test/", AUDIENCE)
    token = first.mint("auth0|buyer")
    first.stop()

    second = LocalIssuer(tmp_path / "i.sqlite3", 0, "https://issuer.test/", AUDIENCE)
    second.start()
    try:
        assert verified(second, token)["iss"] == "https://issuer.test/"
    finally:
        second.stop()
