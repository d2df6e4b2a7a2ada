"""Who calls: the secret key, or a browser with the publishable key and a client secret."""

from __future__ import annotations

import base64
import binascii
import hmac

from devstack.http_messages import Request
from devstack.stripe_sandbox.errors import StripeError
from devstack.stripe_sandbox.forms import Params, text
from devstack.stripe_sandbox.objects import Object

PUBLISHABLE_KEY = "pk_test_sandbox"
_HIDDEN_FROM_BROWSERS = {"metadata", "customer", "latest_charge"}


def api_key(request: Request, params: Params) -> str:
    """The key from Bearer, Basic (user name) or the `key` parameter; empty when there is none."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return text(params, "key") or ""


def is_publishable(key: str, secret_key: str) -> bool:
    """True for the publishable key, False for the secret one, 401 for any other."""
    if hmac.compare_digest(key.encode(), secret_key.encode()):
        return False
    if key == PUBLISHABLE_KEY:
        return True
    if not key:
        raise StripeError(401, "You did not provide an API key.")
    raise StripeError(401, f"Invalid API Key provided: {key[:7]}****")


def check_client_secret(intent: Object, params: Params) -> None:
    """A browser may touch only the intent whose client secret it was given."""
    given = text(params, "client_secret") or ""
    if not hmac.compare_digest(given.encode(), str(intent["client_secret"]).encode()):
        raise StripeError(
            400, "The client_secret provided does not match the PaymentIntent.", param="client_secret"
        )


def browser_view(intent: Object) -> Object:
    """What Stripe shows of an intent to a publishable key."""
    return {name: value for name, value in intent.items() if name not in _HIDDEN_FROM_BROWSERS}
