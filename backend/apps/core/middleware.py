"""The outer middlewares: a request id for everything, and problem documents for what fails under /api/."""

import logging
import re
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _

from apps.core.context import bind_request_id
from apps.core.ids import uuid7
from apps.core.measures import count, observe
from apps.core.problems import Problem, problem_from, problem_response
from apps.core.views.errors import is_api, plain

access_log = logging.getLogger("posx.access")

_SANE = re.compile(r"[A-Za-z0-9._:-]{8,64}", re.ASCII)  # as wide as audit rows hold
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
GetResponse = Callable[[HttpRequest], HttpResponseBase]


def sane_request_id(value: str | None) -> str:
    """The caller's id when it is short and plain, else a new one: it ends up in logs and audit rows."""
    return value if value and _SANE.fullmatch(value) else str(uuid7())


class RequestIdMiddleware:
    """Binds X-Request-ID for the request, answers with it, and writes the access log line."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Bind, answer, log with the duration in milliseconds."""
        started_s = time.perf_counter()
        with bind_request_id(sane_request_id(request.headers.get("X-Request-ID"))) as request_id:
            response = self.get_response(request)
            response["X-Request-ID"] = request_id
            duration_s = time.perf_counter() - started_s
            _log_access(request, response, duration_ms=round(duration_s * 1000))
        _measure(request, response, duration_s=duration_s)
        return response


def _log_access(request: HttpRequest, response: HttpResponseBase, *, duration_ms: int) -> None:
    level = logging.DEBUG if request.path == "/health/" else logging.INFO
    fields = {"status": response.status_code, "duration_ms": duration_ms}
    line = "%s %s %s in %d ms"  # the path only: a query string may carry what logs must not keep
    access_log.log(level, line, request.method, request.path, response.status_code, duration_ms, extra=fields)


def _measure(request: HttpRequest, response: HttpResponseBase, *, duration_s: float) -> None:
    method = request.method if request.method in _METHODS else "other"
    labels = (str(method), _route(request))
    observe("http_request_duration_seconds", *labels, duration_s=duration_s)
    count("http_requests_total", *labels, str(response.status_code))


def _route(request: HttpRequest) -> str:
    """Not the path: that holds ids, and anybody can make up a new one."""
    match = request.resolver_match
    try:
        # A middleware that refused the request left it without a match.
        return (match or resolve(request.path_info)).route
    except Resolver404:
        return "unmatched"


class ProblemMiddleware:
    """Refuses what no view can read, and answers 503 when the database is away."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """A problem document before the view, or whatever the view answers."""
        problem = _unreadable(request)
        return self.get_response(request) if problem is None else problem_response(problem)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """For plain Django views; REST framework's have asked problem_from already. None: handler500's."""
        problem = problem_from(exception)
        if problem is None or (problem.status < 500 and not is_api(request)):
            return None
        return problem_response(problem) if is_api(request) else plain(problem)


def _unreadable(request: HttpRequest) -> Problem | None:
    # REST framework reads the stream past Django's own limit, so the announced length is what counts;
    # without a length WSGI gives no body at all.
    length = request.META.get("CONTENT_LENGTH") or "0"
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if limit is not None and length.isdecimal() and int(length) > limit:
        return Problem("body_too_large", 413, _("The body is too large."))
    # PostgreSQL's text cannot hold a NUL, so the driver would raise from the depth of a query.
    if "\x00" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
        return Problem("bad_request", 400, _("The address holds a NUL character."))
    return None
