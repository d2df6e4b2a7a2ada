"""API clients with real access tokens of the local issuer, for the test client of REST framework."""

from __future__ import annotations

import atexit
import os
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from rest_framework.test import APIClient

from apps.accounts.models import Membership
from apps.sites.models import Site
from devstack.issuer import LocalIssuer
from tests.servers import SERVERS_DIRECTORY


def token_for(subject: str) -> str:
    """A valid access token of the issuer that the settings trust."""
    return local_issuer().mint(subject)


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
def local_issuer() -> LocalIssuer:
    """The one issuer of this test process, at the configured address; started when it is first needed."""
    state = Path(os.environ[SERVERS_DIRECTORY]) / f"issuer-{os.getpid()}.sqlite3"
    address = os.environ["AUTH0_ISSUER"]
    issuer = LocalIssuer(state, urlsplit(address).port or 0, address, os.environ["AUTH0_AUDIENCE"])
    issuer.start()
    atexit.register(issuer.stop)
    return issuer
