"""A Stripe that runs on 127.0.0.1: the endpoints, errors, idempotency and webhooks that POSX relies on."""

from devstack.stripe_sandbox.server import PUBLISHABLE_KEY, StripeSandbox

__all__ = ["PUBLISHABLE_KEY", "StripeSandbox"]
