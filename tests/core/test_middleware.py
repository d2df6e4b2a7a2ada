"""What wraps every request: the id, the access line, problems for what fails outside REST framework's views."""

import logging
from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path

from apps.core.context import current_request_id
from apps.core.views.health import health

handler400 = "apps.core.views.errors.bad_request"
handler403 = "apps.core.views.errors.permission_denied"
handler404 = "apps.core.views.errors.page_not_found"
handler500 = "apps.core.views.errors.server_error"


def whose(_: HttpRequest) -> HttpResponse:
    return HttpResponse(current_request_id())


def failing(kind: str) -> Any:
    raised = {
        "bug": KeyError("internals"),
        "database": OperationalError("connection to 10.0.0.1 refused"),
        "large": RequestDataTooBig(),
        "odd": SuspiciousOperation("internals"),
    }[kind]

    def view(_: HttpRequest) -> HttpResponse:
        raise raised

    return view


urlpatterns = [
    path("health/", health),
    path("api/whose/", whose),
    *[path(f"api/{kind}/", failing(kind)) for kind in ("bug", "database", "large", "odd")],
    path("page/database/", failing("database")),
]
MIDDLEWARE = ["apps.core.middleware.RequestIdMiddleware", "apps.core.middleware.ProblemMiddleware"]


class FailingMiddleware:
    """Stands for a middleware below ours whose query fails."""

    def __init__(self, _: Any) -> None:
        pass

    def __call__(self, _: HttpRequest) -> HttpResponse:
        raise OperationalError("connection to 10.0.0.1 refused")


@pytest.fixture
def client() -> Any:
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=MIDDLEWARE):
        yield Client(raise_request_exception=False)


def test_a_sane_request_id_is_taken_and_given_back(client: Client) -> None:
    response = client.get("/api/whose/", headers={"X-Request-ID": "caller-1234"})

    assert response.content == b"caller-1234"
    assert response["X-Request-ID"] == "caller-1234"


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "with space in it", "line\nbreak-1234", "ümlaut-1234"]
)
def test_any_other_request_id_is_replaced(client: Client, given: str) -> None:
    response = client.get("/api/whose/", HTTP_X_REQUEST_ID=given)

    assert response["X-Request-ID"] not in {"", given}
    assert response.content.decode() == response["X-Request-ID"]


def test_the_access_line_has_status_and_duration_but_no_query(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="posx.access"):
        client.get("/api/whose/?token=s3cret")

    (line,) = [record for record in caplog.records if record.name == "posx.access"]
    assert vars(line)["status"] == 200
    assert vars(line)["duration_ms"] >= 0
    assert "s3cret" not in line.getMessage()


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/api/bug/", 500, "internal_error"),
        ("/api/database/", 503, "database_unavailable"),
        ("/api/large/", 413, "body_too_large"),
        ("/api/odd/", 400, "bad_request"),
        ("/api/nowhere/", 404, "not_found"),
        ("/api/whose/?a=%00", 400, "bad_request"),
        ("/api/%00/", 400, "bad_request"),
    ],
)
def test_what_fails_is_a_problem_that_tells_no_internals(
    client: Client, address: str, status: int, code: str
) -> None:
    response = client.get(address)

    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert response.json()["code"] == code
    assert response.json()["request_id"] == response["X-Request-ID"]
    assert b"internals" not in response.content
    assert b"10.0.0.1" not in response.content


def test_a_bug_is_logged_with_its_traceback(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/api/bug/")

    assert "KeyError: 'internals'" in caplog.text


def test_a_database_that_fails_in_a_lower_middleware_is_a_503_too(client: Client) -> None:
    with override_settings(MIDDLEWARE=[*MIDDLEWARE, f"{__name__}.FailingMiddleware"]):
        response = Client(raise_request_exception=False).get("/api/whose/")

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.json()["code"] == "database_unavailable"


def test_a_page_for_people_says_503_in_words(client: Client) -> None:
    response = client.get("/page/database/")

    assert (response.status_code, response["Content-Type"]) == (503, "text/plain; charset=utf-8")


def test_a_body_announced_too_large_is_refused_unread(client: Client) -> None:
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10):
        response = client.post("/api/whose/", data=b"x" * 11, content_type="application/json")

    assert response.status_code == 413


def test_health_answers_exactly_this(client: Client) -> None:
    response = client.get("/health/")

    assert (response.status_code, response.json()) == (200, {"status": "healthy"})


def test_health_asks_no_database() -> None:
    response = health(RequestFactory().get("/health/"))  # a query would fail: pytest-django forbids it here

    assert response.status_code == 200
