"""Every failure of the API as one problem document (RFC 9457) with a stable code and the request id."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypedDict

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from rest_framework import exceptions

from apps.core.context import current_request_id

logger = logging.getLogger("posx.problems")

CONTENT_TYPE = "application/problem+json"
# The statement was given up, the server is there: timeout, lock timeout, deadlock, serialization failure.
_BUSY_SQLSTATES = frozenset({"57014", "55P03", "40P01", "40001"})
_DRF_CODES: dict[type[exceptions.APIException], str] = {
    exceptions.ParseError: "malformed_request",
    exceptions.AuthenticationFailed: "authentication_failed",
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.PermissionDenied: "permission_denied",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "throttled",
}


class FieldError(TypedDict):
    """One refused field; `field` is a dotted path, empty when the whole body is meant."""

    field: str
    code: str
    detail: str


class Problem(Exception):
    """A refusal that the caller is told about: stable `code`, HTTP `status`, translated `detail`."""

    def __init__(
        self,
        code: str,
        status: int,
        detail: str,
        *,
        retry_after_s: int | None = None,
        errors: Sequence[FieldError] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.code = code
        self.status = status
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.errors = list(errors) if errors else None

    def as_dict(self) -> dict[str, Any]:
        """The members of the document."""
        document: dict[str, Any] = {
            "type": f"urn:posx:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": current_request_id(),
        }
        if self.errors:
            document["errors"] = self.errors
        return document


def problem_response(problem: Problem) -> HttpResponse:
    """The document as a response, with Retry-After and WWW-Authenticate where the status wants them."""
    response = JsonResponse(problem.as_dict(), status=problem.status, content_type=CONTENT_TYPE)
    if problem.retry_after_s is not None:
        response["Retry-After"] = str(problem.retry_after_s)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="api"'
    return response


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """REST framework's hook. None for what nobody foresaw: Django logs it and handler500 answers."""
    problem = problem_from(exc)
    return None if problem is None else problem_response(problem)


def problem_from(exc: BaseException | None) -> Problem | None:
    """The problem that an exception means to the caller, or None when it is a fault of ours."""
    match exc:
        case Problem():
            return exc
        case exceptions.ValidationError():
            return invalid(list(_drf_errors(exc.get_full_details())))
        case DjangoValidationError():
            return invalid(list(_django_errors(exc)))
        case exceptions.APIException():
            return _from_drf(exc)
        case Http404():
            return Problem("not_found", 404, _("There is nothing here."))
        case PermissionDenied():
            return Problem("permission_denied", 403, _("You may not do this."))
        case OperationalError() | InterfaceError():
            return _from_database(exc)
        case _:
            return None


def invalid(errors: Sequence[FieldError]) -> Problem:
    """400 `invalid` with the list of refused fields."""
    return Problem("invalid", 400, _("Some of what was sent is not valid."), errors=errors)


def _from_drf(exc: exceptions.APIException) -> Problem:
    code = next((code for kind, code in _DRF_CODES.items() if isinstance(exc, kind)), None)
    status = exc.status_code
    if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        status = 401  # REST framework turns it into 403 for a view without authenticators
    wait = getattr(exc, "wait", None)  # Throttled's alone: seconds, when the throttle knows them
    wait_s = math.ceil(wait or 1) if isinstance(exc, exceptions.Throttled) else None
    return Problem(code or str(exc.default_code), status, str(exc.detail), retry_after_s=wait_s)


def _from_database(exc: Exception) -> Problem:
    sqlstate = getattr(exc.__cause__, "pgcode", None)
    if sqlstate in _BUSY_SQLSTATES:
        logger.warning("Database busy: %s", sqlstate, exc_info=exc)
        return Problem("database_busy", 503, _("The database is busy. Try again."), retry_after_s=2)
    logger.error("Database connection failed: %s", exc)
    return Problem(
        "database_unavailable", 503, _("The database cannot be reached. Try again."), retry_after_s=5
    )


def _drf_errors(details: Any, path: str = "") -> Iterator[FieldError]:
    """Flatten get_full_details(): {"message", "code"} leaves inside lists and dictionaries."""
    if isinstance(details, Mapping):
        if set(details) == {"message", "code"} and isinstance(details["message"], str):
            yield FieldError(field=path, code=str(details["code"]), detail=str(details["message"]))
            return
        for key, value in details.items():
            yield from _drf_errors(value, path if key == "non_field_errors" else _join(path, str(key)))
        return
    for index, value in enumerate(details):
        leaf = isinstance(value, Mapping) and set(value) == {"message", "code"}
        yield from _drf_errors(value, path if leaf else _join(path, str(index)))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _django_errors(exc: DjangoValidationError) -> Iterator[FieldError]:
    by_field = exc.error_dict if hasattr(exc, "error_dict") else {"": exc.error_list}
    for field, errors in by_field.items():
        for error in errors:
            path = "" if field == "__all__" else field
            yield FieldError(field=path, code=str(error.code or "invalid"), detail=" ".join(error.messages))
