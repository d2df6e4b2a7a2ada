"""A running system in this test process: the application over HTTP, the sandboxes, and the demo's site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.core.context import acting_as
from apps.operations.services.demo_seed import demo_seed
from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.issuer import LocalIssuer
from devstack.stripe_sandbox import StripeSandbox


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


def given_demo_site() -> dict[str, Any]:
    """The demo's own site, as `manage.py seed_demo --json` describes it."""
    with acting_as("command", "test"):
        return demo_seed().as_dict()
