"""A client of the API as anybody could write it: a site header, a bearer token, problem documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

TIMEOUT_S = 15.0


class UnexpectedAnswer(Exception):
    """The API answered something else than the caller expects; the message says what, in one sentence."""


@dataclass(frozen=True)
class Answer:
    """One response: its request's name, its status, its JSON and its headers (case-insensitive)."""

    request: str
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    def expect(self, *statuses: int) -> dict[str, Any]:
        """The body, when the status is one of these. Raises UnexpectedAnswer."""
        if self.status in statuses:
            return self.body
        wanted = " or ".join(map(str, statuses))
        told = f"{self.body.get('code', 'no problem document')}: {self.body.get('detail', '')}"
        raise UnexpectedAnswer(
            f"{self.request} answered {self.status} instead of {wanted} ({told.strip(': ')})."
        )

    @property
    def is_replay(self) -> bool:
        """Whether this is the stored answer to an earlier request with the same Idempotency-Key."""
        return self.headers.get("Idempotency-Replayed", "").lower() == "true"


class ApiClient:
    """Speaks for one person, or for nobody, in one site. `api_url` ends with a slash."""

    def __init__(self, api_url: str, *, site_code: str, token: str = "") -> None:
        self._api_url = api_url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the machine must not see calls to 127.0.0.1
        self._session.headers["X-Site-Code"] = site_code
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: str) -> Answer:
        """GET of a path below the API's address."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str = "") -> Answer:
        """POST of a JSON body; `key` is the Idempotency-Key."""
        return self._call("POST", path, json=body, headers={"Idempotency-Key": key} if key else {})

    def every(self, path: str, **query: str) -> list[dict[str, Any]]:
        """All rows of a list, page by page."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self.get(path, **query).expect(200)
            rows += page["results"]
            if not page["next"]:
                return rows
            query["cursor"] = page["next"]

    def _call(self, method: str, path: str, **arguments: Any) -> Answer:
        request = f"{method} {path}"
        try:
            answer = self._session.request(
                method, self._api_url + path, timeout=TIMEOUT_S, allow_redirects=False, **arguments
            )
            body = answer.json()
        except requests.JSONDecodeError as error:
            raise UnexpectedAnswer(f"{request} answered {answer.status_code} without JSON.") from error
        except requests.RequestException as error:
            raise UnexpectedAnswer(f"{request} got no answer ({type(error).__name__}).") from error
        return Answer(request, answer.status_code, body if isinstance(body, dict) else {}, answer.headers)
