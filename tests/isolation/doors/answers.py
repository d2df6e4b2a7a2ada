"""What a caller can tell from an answer: status, headers, body, and how many statements it took."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from django.db import connection, reset_queries
from django.test.utils import CaptureQueriesContext

from tests.isolation.doors.wishes import Wish

_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
_LITERAL = re.compile(r"'(?:[^']|'')*'(?:::\w+(?:\[\])?)?")
_SAVEPOINT = re.compile(r'"s\d+_x\d+"')
_CSRF = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')
# Differ from one request to the next whatever is asked.
_OWN_OF_A_REQUEST = frozenset({"x-request-id", "set-cookie", "expires"})


@dataclass(frozen=True)
class Answer:
    """``text`` and ``headers`` are without what was sent and without the request's own id; ``raw`` is as it came."""

    status: int
    headers: dict[str, str]
    text: str
    raw: str
    statements: tuple[str, ...]

    def differences(self, other: Answer) -> list[str]:
        """In what the two can be told apart; the number of statements stands for the time taken."""
        told = [
            f"{name}: {mine!r} / {theirs!r}"
            for name, mine, theirs in (
                ("status", self.status, other.status),
                ("headers", self.headers, other.headers),
                ("body", self.text, other.text),
            )
            if mine != theirs
        ]
        if self.statements != other.statements:
            lines = unified_diff(self.statements, other.statements, "foreign", "unknown", lineterm="", n=0)
            told.append("statements: " + " ".join(lines))
        return told

    def leaks(self, marks: Collection[str], sent: str) -> list[str]:
        """Marks that stand in the answer and were not sent."""
        whole = f"{self.raw} {' '.join(self.headers.values())}"
        return sorted(mark for mark in marks if mark in whole and mark not in sent)


def asked(client: Any, wish: Wish, method: str | None = None) -> Answer:
    """Send it and look at the answer as the caller sees it."""
    reset_queries()  # the log of a long run is cut off in the middle of a capture otherwise
    with CaptureQueriesContext(connection) as queries:
        response = wish.send(client, method)
    return answer_of(response, queries, wish.text())


def answer_of(response: Any, queries: CaptureQueriesContext, sent: str) -> Answer:
    """The comparable part of a response to a request with that text in it."""
    # An image is no text, and what text stands in it is still found.
    raw = response.getvalue().decode(errors="backslashreplace")
    own = sorted({*_UUID.findall(sent), response.headers.get("X-Request-ID", "")} - {""}, key=len)
    headers = {
        name.lower(): _without(value, own)
        for name, value in response.headers.items()
        if name.lower() not in _OWN_OF_A_REQUEST
    }
    shapes = tuple(shape(query["sql"]) for query in queries)
    return Answer(response.status_code, headers, _CSRF.sub("", _without(raw, own)), raw, shapes)


def shape(statement: str) -> str:
    """A statement without its values."""
    return re.sub(r"\b\d+\b", "?", _LITERAL.sub("?", _SAVEPOINT.sub("savepoint", statement)))


def _without(text: str, words: list[str]) -> str:
    for word in words:
        text = text.replace(word, "<sent>")
    return text
