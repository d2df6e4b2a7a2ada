"""Pages for people and monitors. They name no site, and need no login: states and reasons only."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from ipaddress import ip_address

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.operations.readiness import readiness

STARTED_AT = datetime.now(
    UTC
)  # of this process: views are imported when the first request comes, or before it


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when everything works, 503 otherwise; each check with its reason. docs/runbook.md explains them.

    Not for Railway's health check: a worker that is away must not keep a new web from taking over.
    """
    checks = readiness()
    is_ready = all(check.ok for check in checks.values())
    body = {
        "status": "ready" if is_ready else "not ready",
        "checks": {name: check.as_dict() for name, check in checks.items()},
    }
    return JsonResponse(body, status=200 if is_ready else 503)


@never_cache
@require_safe
def version(request: HttpRequest) -> JsonResponse:
    """The commit that this process was built from, and since when it runs."""
    return JsonResponse({"version": settings.VERSION, "started_at": STARTED_AT.isoformat(timespec="seconds")})


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' page: with the token of METRICS_TOKEN; without that variable, to the private network only.

    404 for everybody else, who need not know that it is here.
    """
    if not _may_watch(request):
        raise Http404
    # Only who asks for it pays for the library's memory.
    from apps.operations.metrics import CONTENT_TYPE, metrics_page

    return HttpResponse(metrics_page(), content_type=CONTENT_TYPE)


# What an edge or a proxy adds to what comes from outside; a caller can add them but not take them away.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-Ip", "X-Railway-Edge")


def _may_watch(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_private
    except ValueError:
        return False
