"""API clients with real access tokens: signed here, checked against a key set on the configured address."""

from __future__ import annotations

import atexit
import time
from functools import cache
from urllib.parse import urlsplit

import jwt
from django.conf import settings
from rest_framework.test import APIClient

from apps.accounts.models import Membership
from apps.sites.models import Site
from tests.http_peers import Answer, Peer, jwk, private_pem, rsa_key, running_peer

_KID = "test-issuer"


def token_for(subject: str, *, life_s: int = 600) -> str:
    """A valid access token of the configured issuer."""
    _issuer()
    now_s = int(time.time())
    claims = {
        "iss": settings.AUTH0_ISSUER,
        "aud": settings.AUTH0_AUDIENCE,
        "sub": subject,
        "iat": now_s,
        "exp": now_s + life_s,
    }
    return jwt.encode(claims, private_pem(rsa_key("issuer")), algorithm="RS256", headers={"kid": _KID})


def api(site: Site | None = None, subject: str | None = None) -> APIClient:
    """A client that names the site in X-Site-Code and speaks for the subject; either may be left out."""
    client = APIClient()
    headers = {} if site is None else {"HTTP_X_SITE_CODE": site.code}
    if subject is not None:
        headers["HTTP_AUTHORIZATION"] = f"Bearer {token_for(subject)}"
    client.credentials(**headers)
    return client


def api_of(member: Membership) -> APIClient:
    """A client for a member, in their site."""
    return api(member.site, member.identity.subject)


@cache
def _issuer() -> Peer:
    """The key server of this test process, started once."""
    running = running_peer(urlsplit(settings.AUTH0_JWKS_URL).port or 0)
    peer = running.__enter__()
    atexit.register(running.__exit__, None, None, None)
    peer.always(Answer(body={"keys": [jwk(rsa_key("issuer"), _KID)]}))
    return peer
