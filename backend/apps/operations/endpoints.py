"""Every operation of the API with who may call it, from the URL configuration and the classes of the views."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.views import APIView

from apps.accounts.member_view import MemberView, PublicSiteView
from apps.accounts.models import Role
from apps.webhooks.views import WebhookView

API_ROOT = "/api/v1/"
ANONYMOUS, STRANGER = "anonymous", "not a member"
CALLERS = (ANONYMOUS, STRANGER, *Role.values)
_READS = frozenset({"GET", "HEAD"})
_CONVERTER = re.compile(r"<(?:[^:>]+:)?([^>]+)>")


@dataclass(frozen=True)
class Endpoint:
    """One method at one address; ``route`` has its parameters in braces, as OpenAPI writes them."""

    method: str
    route: str
    view: type[APIView]

    @property
    def summary(self) -> str:
        """The first sentence of the handler's docstring."""
        said = str(getattr(self.view, self.method.lower()).__doc__ or "").strip()
        return said.partition("\n")[0].partition(". ")[0].removesuffix(".") + "."


def api_endpoints() -> list[Endpoint]:
    """Everything below /api/v1/, in the order of the addresses. HEAD goes with GET and is not named."""
    found = [
        Endpoint(method.upper(), route, view)
        for route, view in _api_routes()
        for method in view.http_method_names
        if method not in ("head", "options") and hasattr(view, method)
    ]
    return sorted(found, key=lambda endpoint: (endpoint.route, endpoint.method))


def admitted(endpoint: Endpoint) -> frozenset[str]:
    """Which of CALLERS the endpoint admits; nobody of them for a webhook, which a signature opens.

    Raises TypeError for a view whose admission is declared nowhere.
    """
    view = endpoint.view
    if issubclass(view, WebhookView):
        return frozenset()
    if issubclass(view, MemberView):
        roles = view.read_roles if endpoint.method in _READS else view.write_roles
        newcomers = {STRANGER} if endpoint.method in view.newcomer_methods else set()
        return frozenset({*(role.value for role in roles), *newcomers})
    if issubclass(view, PublicSiteView) or is_document(endpoint):
        return frozenset(CALLERS)
    raise TypeError(f"{endpoint.route}: derive {view.__name__} from MemberView or PublicSiteView.")


def is_document(endpoint: Endpoint) -> bool:
    """Whether it is drf-spectacular's own: the description of the API, the same for all sites."""
    return endpoint.view.__module__.startswith("drf_spectacular.")


def is_signed(endpoint: Endpoint) -> bool:
    """Whether a provider's signature takes the place of a token."""
    return issubclass(endpoint.view, WebhookView)


def _api_routes() -> Iterator[tuple[str, type[APIView]]]:
    for pattern, address in _patterns(get_resolver().url_patterns, "/"):
        if not address.startswith(API_ROOT):
            continue
        view = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
        if view is None:
            raise TypeError(f"{address}: an endpoint of the API is an APIView.")
        yield _CONVERTER.sub(r"{\1}", address), view


def _patterns(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[URLPattern, str]]:
    for each in patterns:
        address = f"{prefix}{each.pattern}"
        if isinstance(each, URLResolver):
            yield from _patterns(each.url_patterns, address)
        else:
            yield each, address
