"""Bodies that no parser survives are the sender's fault."""

from __future__ import annotations

import io

import pytest
from rest_framework.exceptions import ParseError

from apps.core.json_parser import JsonParser


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b"{", b"\xff", b"", b"NaN", b"1" * 5000], ids=len
)
def test_what_cannot_be_read_is_a_malformed_request(body: bytes) -> None:
    with pytest.raises(ParseError):
        JsonParser().parse(io.BytesIO(body), "application/json", {})


def test_json_is_read() -> None:
    assert JsonParser().parse(io.BytesIO(b'{"a": [1]}'), "application/json", {}) == {"a": [1]}
