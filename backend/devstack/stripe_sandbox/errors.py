"""Stripe's error bodies (https://docs.stripe.com/api/errors)."""

from __future__ import annotations

from typing import Any

from devstack.http_messages import Response, json_response


class StripeError(Exception):
    """An error answer. `kept`: an Idempotency-Key remembers it, as Stripe does of what began to execute."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        error_type: str = "invalid_request_error",
        kept: bool = False,
        **fields: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kept = kept
        given = {name: value for name, value in fields.items() if value is not None}
        self.body = {"error": {"type": error_type, "message": message, **given}}

    def response(self) -> Response:
        """The error as a response."""
        return json_response(self.status, self.body)


def missing(param: str) -> StripeError:
    """A required parameter is not there."""
    return StripeError(400, f"Missing required param: {param}.", code="parameter_missing", param=param)


def no_such(kind: str, object_id: str, *, param: str = "id", status: int = 404) -> StripeError:
    """An object that does not exist: 404 in the path, 400 in a parameter."""
    return StripeError(status, f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


def unexpected_state(intent: dict[str, Any], what: str) -> StripeError:
    """The PaymentIntent's status forbids the operation; the error carries the PaymentIntent."""
    return StripeError(
        400,
        f"You cannot {what} this PaymentIntent because it has a status of {intent['status']}.",
        kept=True,
        code="payment_intent_unexpected_state",
        payment_intent=intent,
    )
