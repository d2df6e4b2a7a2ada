"""Pages for people and monitors. They name no site, and need no login: states and reasons only."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest, JsonResponse
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
