"""Tokens of the local issuer go through the same check as those of Auth0."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from apps.accounts.tokens import TokenInvalid, verify_access_token
from apps.core.jwks import shared_cache
from devstack.issuer import LocalIssuer

AUDIENCE = "https://api.posx.local"


@pytest.fixture
def issuer(tmp_path: Path, settings: Settings) -> Iterator[LocalIssuer]:
    running = LocalIssuer(tmp_path / "issuer.sqlite", 0, None, AUDIENCE)
    running.start()
    settings.AUTH0_ISSUER = running.issuer
    settings.AUTH0_AUDIENCE = AUDIENCE
    settings.AUTH0_JWKS_URL = f"{running.base_url}/.well-known/jwks.json"
    yield running
    running.stop()
    shared_cache.cache_clear()


def test_a_minted_token_is_accepted(issuer: LocalIssuer) -> None:
    assert verify_access_token(issuer.mint("local|demo-buyer")).subject == "local|demo-buyer"


def test_an_expired_one_is_not(issuer: LocalIssuer) -> None:
    with pytest.raises(TokenInvalid) as refusal:
        verify_access_token(issuer.mint("local|demo-buyer", ttl_s=-60))
    assert refusal.value.code == "token_expired"
