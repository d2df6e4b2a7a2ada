"""What passes a door, cut into requests and transactions whatever the pieces are that it comes in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devstack.faults.wire import COMMIT, ROLLBACK, HttpRequests, Transaction

REQUESTS = [
    b"GET /v1/a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /v1/b HTTP/1.1\r\nContent-Length: 11\r\nHost: x\r\n\r\nhello\r\n\r\nyo",
    b"POST /v1/c HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
]


def query(text: str) -> bytes:
    body = text.encode() + b"\0"
    return b"Q" + (len(body) + 4).to_bytes(4, "big") + body


@given(cuts=st.lists(st.integers(1, sum(map(len, REQUESTS)) - 1), max_size=8))
def test_requests_come_out_whole_however_they_come_in(cuts: list[int]) -> None:
    stream, reader = b"".join(REQUESTS), HttpRequests()
    ends = [*sorted(set(cuts)), len(stream)]
    pieces = [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    assert [request for piece in pieces for request in reader.feed(piece)] == REQUESTS


def test_a_commit_is_of_the_statements_since_begin() -> None:
    transaction = Transaction()
    assert not transaction.feed(query("SELECT 'before'"))
    assert not transaction.feed(query("BEGIN"))
    assert not transaction.feed(query("INSERT INTO a VALUES ('x')"))
    assert transaction.feed(COMMIT)

    assert b"INSERT INTO a" in transaction.text
    assert b"before" not in transaction.text


def test_what_was_rolled_back_is_forgotten() -> None:
    transaction = Transaction()
    transaction.feed(query("BEGIN"))
    transaction.feed(query("INSERT INTO a VALUES (1)"))
    transaction.feed(ROLLBACK)

    assert b"INSERT" not in transaction.text
    assert query("ROLLBACK") == ROLLBACK
    assert query("COMMIT") == COMMIT
