"""A running system in this test process: the application over HTTP, the sandboxes, and a site that sells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.issuer import LocalIssuer
from devstack.stripe_sandbox import StripeSandbox
from tests.factories import make_member, make_policy, make_site, make_tier


@dataclass(frozen=True)
class SalePlace:
    """What devstack.story wants to know of a running system."""

    web_url: str
    stripe: StripeSandbox
    fireblocks: FireblocksSandbox
    issuer: LocalIssuer
    seed: dict[str, Any]

    @property
    def api_url(self) -> str:
        return f"{self.web_url}/api/v1/"

    @property
    def stripe_url(self) -> str:
        return self.stripe.base_url

    @property
    def fireblocks_url(self) -> str:
        return self.fireblocks.base_url

    def mint(self, subject: str) -> str:
        """A bearer token for `subject`."""
        return self.issuer.mint(subject)


def given_site_that_sells() -> dict[str, Any]:
    """One open tier, whose policy began in the past, and two members of staff; named as seed_demo names them."""
    site = make_site("DEMO")
    policy = make_policy(site, starts_at=timezone.now() - timedelta(days=150))
    make_tier(site, policy=policy)
    staff = {role: make_member(site, role).identity.subject for role in ("operator", "approver")}
    return {"site_code": site.code, "staff": staff}
