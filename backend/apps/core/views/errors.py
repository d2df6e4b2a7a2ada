"""Django's error pages: problem documents under /api/, the stock pages elsewhere (admin is for people)."""

import sys

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _
from django.views import defaults

from apps.core.problems import Problem, problem_from, problem_response


def is_api(request: HttpRequest) -> bool:
    """Whether the caller is a program."""
    return request.path.startswith(("/api/", "/health", "/ready", "/version"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400, or 413 when the body was too large."""
    if not is_api(request):
        return defaults.bad_request(request, exception)
    if isinstance(exception, RequestDataTooBig):
        return problem_response(Problem("body_too_large", 413, _("The body is too large.")))
    return problem_response(Problem("bad_request", 400, _("The request cannot be understood.")))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """403."""
    if not is_api(request):
        return defaults.permission_denied(request, exception)
    return problem_response(Problem("permission_denied", 403, _("You may not do this.")))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404."""
    if not is_api(request):
        return defaults.page_not_found(request, exception)
    return problem_response(Problem("not_found", 404, _("There is nothing here.")))


def server_error(request: HttpRequest) -> HttpResponseBase:
    """500 without a word about why (Django has logged the traceback); 503 when the database is away."""
    known = problem_from(sys.exc_info()[1])
    if not is_api(request):
        return defaults.server_error(request) if known is None else plain(known)
    return problem_response(known or Problem("internal_error", 500, _("Something went wrong on our side.")))


def plain(problem: Problem) -> HttpResponse:
    """A problem for a person's browser: its sentence, its status, its Retry-After."""
    response = HttpResponse(problem.detail, status=problem.status, content_type="text/plain; charset=utf-8")
    if problem.retry_after_s is not None:
        response["Retry-After"] = str(problem.retry_after_s)
    return response
