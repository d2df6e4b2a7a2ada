"""Finds the site of an API request from Host or X-Site-Code and binds it."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from apps.core.problems import Problem, problem_response
from apps.sites.models import Site
from apps.sites.scope import bind_site

SITE_HEADER = "X-Site-Code"


class SiteMiddleware:
    """Binds ``request.site`` under /api/v1/, webhooks, schema and docs aside."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if not path.startswith("/api/v1/") or path.startswith(tuple(settings.SITE_EXEMPT_PREFIXES)):
            return self.get_response(request)
        try:
            site = site_of(request.get_host(), request.headers.get(SITE_HEADER))
        except Problem as problem:
            return problem_response(problem)
        request.site = site  # type: ignore[assignment]  # the stubs mean django.contrib.sites
        with bind_site(site.id):
            return self.get_response(request)


def site_of(host: str, code: str | None) -> Site:
    """The active site that Host or the header names. Raises Problem 400 for none or two, 404 for unknown ones."""
    hostname = host.rsplit(":", 1)[0].lower() if not host.endswith("]") else host.lower()
    if code is not None and ("\x00" in code or len(code) > 16):
        raise _unknown()
    named = list(Site.objects.filter(host=hostname) | Site.objects.filter(code=code or ""))
    by_host = next((site for site in named if site.host == hostname), None)
    by_code = next((site for site in named if site.code == code), None)
    if code and by_code is None:
        raise _unknown()
    if by_host and by_code and by_host != by_code:
        raise Problem("two_sites", 400, _("Host and X-Site-Code name different sites. Send only one."))
    site = by_code or by_host
    if site is None:
        raise Problem("no_site", 400, _("Name the site: send X-Site-Code, or use the site's own domain."))
    if not site.is_active:
        raise _unknown()
    return site


def _unknown() -> Problem:
    return Problem("unknown_site", 404, _("There is no such site."))
