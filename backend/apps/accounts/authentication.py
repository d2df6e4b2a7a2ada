"""REST framework's hook: a Bearer access token becomes a Caller. No database is asked here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.accounts.tokens import Claims, KeysUnavailable, TokenInvalid, verify_access_token
from apps.core.problems import Problem


@dataclass(frozen=True)
class Caller:
    """Who a valid token speaks for; whether that is anybody in a site is asked inside its scope."""

    subject: str
    is_authenticated: bool = True
    is_active: bool = True

    @property
    def pk(self) -> str:
        """What throttles count by."""
        return self.subject


class Auth0Authentication(BaseAuthentication):
    """RS256 access tokens of the configured issuer. Problem 401 for every faulty one, 503 when keys are away."""

    def authenticate(self, request: Request) -> tuple[Caller, Claims] | None:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer" or not token.strip():
            raise _unauthorised("token_malformed")
        try:
            claims = verify_access_token(token.strip())
        except TokenInvalid as error:
            raise _unauthorised(error.code) from error
        except KeysUnavailable as error:
            raise Problem(
                "token_keys_unavailable",
                503,
                _("The token cannot be checked now. Try again."),
                retry_after_s=5,
            ) from error
        return Caller(subject=claims.subject), claims

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def _unauthorised(code: str) -> Problem:
    return Problem(code, 401, _("The access token is not valid. Fetch a new one and try again."))


class Auth0Scheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document names this way of authenticating."""

    target_class = "apps.accounts.authentication.Auth0Authentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
