"""The health check: the process answers. It asks nobody, so that a database away does not restart the web."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """Always 200, without a redirect, a query or a look at the Host (that is the middleware's to refuse)."""
    return JsonResponse({"status": "healthy"})
