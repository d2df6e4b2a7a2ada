"""Request, response and the two ways in which a handler ends without a response."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


class BadRequest(Exception):
    """The request cannot be read; answered with `status` and a JSON message."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class HangUp(Exception):
    """Close the connection without any answer, as a provider does that dies in a request."""


@dataclass(frozen=True)
class Request:
    """One HTTP request. `target` is path and query exactly as sent; header names are lower case."""

    method: str
    target: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    params: Mapping[str, str] = field(default_factory=dict)

    def query_values(self) -> dict[str, str]:
        """Query parameters; the last one of a name wins."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object ({} when empty); BadRequest otherwise."""
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:  # UnicodeDecodeError is one too
            raise BadRequest("the body is not JSON") from error
        if not isinstance(value, dict):
            raise BadRequest("the body is not a JSON object")
        return value


@dataclass(frozen=True)
class Response:
    """One HTTP response."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_response(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(status, json.dumps(value, indent=1).encode(), headers=headers or {})
