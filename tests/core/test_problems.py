"""Every failure becomes one shape, with a stable code."""

import json
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions, serializers

from apps.core.context import bind_request_id
from apps.core.problems import Problem, exception_handler, problem_response


def answer(exc: Exception) -> HttpResponse:
    response = exception_handler(exc, {})
    assert response is not None
    return response


def document(response: HttpResponse) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(response.content)
    return loaded


@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (Problem("sold_out", 409, "Nothing is left."), 409, "sold_out"),
        (exceptions.ParseError(), 400, "malformed_request"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.AuthenticationFailed(), 401, "authentication_failed"),
        (exceptions.PermissionDenied(), 403, "permission_denied"),
        (PermissionDenied(), 403, "permission_denied"),
        (exceptions.NotFound(), 404, "not_found"),
        (Http404(), 404, "not_found"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.NotAcceptable(), 406, "not_acceptable"),
        (exceptions.UnsupportedMediaType("text/csv"), 415, "unsupported_media_type"),
        (exceptions.Throttled(wait=1.2), 429, "throttled"),
        (OperationalError("gone"), 503, "database_unavailable"),
        (InterfaceError("gone"), 503, "database_unavailable"),
    ],
)
def test_each_failure_has_its_status_and_code(exc: Exception, status: int, code: str) -> None:
    response = answer(exc)

    body = document(response)
    assert response["Content-Type"] == "application/problem+json"
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(body)


def test_the_document_carries_the_request_id() -> None:
    with bind_request_id("req-12345678"):
        body = document(problem_response(Problem("sold_out", 409, "Nothing is left.")))

    assert body["request_id"] == "req-12345678"


def test_a_401_says_how_to_authenticate() -> None:
    assert answer(exceptions.NotAuthenticated())["WWW-Authenticate"].startswith("Bearer")


def test_a_throttled_caller_learns_when_to_come_back() -> None:
    assert answer(exceptions.Throttled(wait=1.2))["Retry-After"] == "2"


def test_a_database_that_is_away_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    response = answer(OperationalError("could not connect to 10.0.0.1"))

    assert response["Retry-After"]
    assert "10.0.0.1" not in document(response)["detail"]
    assert "Database connection failed" in caplog.text


def test_a_lock_timeout_is_busy_not_away() -> None:
    class LockTimeoutError(Exception):
        pgcode = "55P03"

    exc = OperationalError("canceling statement due to lock timeout")
    exc.__cause__ = LockTimeoutError()

    assert document(answer(exc))["code"] == "database_busy"


def test_what_nobody_foresaw_is_left_to_the_server_error() -> None:
    assert exception_handler(KeyError("x"), {}) is None


class LineSerializer(serializers.Serializer[Any]):
    quantity = serializers.IntegerField(min_value=1)


class BodySerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    lines = LineSerializer(many=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        raise serializers.ValidationError("Never right.", code="never")


def test_nested_errors_name_the_field_by_a_path() -> None:
    serializer = BodySerializer(data={"lines": [{"quantity": 1}, {"quantity": 0}]})
    with pytest.raises(serializers.ValidationError) as caught:
        serializer.is_valid(raise_exception=True)

    body = document(answer(caught.value))
    assert body["code"] == "invalid"
    assert {(error["field"], error["code"]) for error in body["errors"]} == {
        ("name", "required"),
        ("lines.1.quantity", "min_value"),
    }


def test_an_error_of_the_whole_body_has_no_field() -> None:
    serializer = BodySerializer(data={"name": "x", "lines": []})
    with pytest.raises(serializers.ValidationError) as caught:
        serializer.is_valid(raise_exception=True)

    assert document(answer(caught.value))["errors"] == [
        {"field": "", "code": "never", "detail": "Never right."}
    ]


def test_a_validation_error_of_a_service_is_the_same_shape() -> None:
    exc = DjangoValidationError({"amount": DjangoValidationError("Too much.", code="too_much")})

    assert document(answer(exc))["errors"] == [{"field": "amount", "code": "too_much", "detail": "Too much."}]
