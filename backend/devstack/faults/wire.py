"""What passes a door, read as it goes by: HTTP requests as a whole, and the statements of a PostgreSQL transaction."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_REMEMBERED_BYTES = 256 * 1024

# What PostgreSQL answers to a COMMIT that a serialization failure has undone (protocol 3.0: ErrorResponse, then
# ReadyForQuery outside a transaction).
_FIELDS = b"SERROR\0VERROR\0C40001\0Mcould not serialize access due to concurrent update\0\0"
SERIALIZATION_FAILURE = (
    b"E" + struct.pack("!i", len(_FIELDS) + 4) + _FIELDS + b"Z" + struct.pack("!i", 5) + b"I"
)
COMMIT = b"Q\0\0\0\x0bCOMMIT\0"
ROLLBACK = b"Q\0\0\0\x0dROLLBACK\0"


class HttpRequests:
    """Cuts a stream into whole requests: nothing is passed on before its body has come."""

    def __init__(self) -> None:
        self._waiting = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The requests that are complete with ``data``."""
        self._waiting += data
        while (head := self._waiting.find(_HEAD_END)) >= 0:
            length = _LENGTH.search(self._waiting, 0, head + 2)
            end = head + len(_HEAD_END) + (int(length[1]) if length else 0)
            if len(self._waiting) < end:
                return
            whole, self._waiting = self._waiting[:end], self._waiting[end:]
            yield whole


class Transaction:
    """The statements of a connection since its BEGIN. psycopg2 writes them with their values in them."""

    def __init__(self) -> None:
        self.text = b""

    def feed(self, data: bytes) -> bool:
        """Remember; True when ``data`` is the COMMIT of what ``text`` holds. `end` is to be called after it."""
        if data == COMMIT:
            return True
        if data == ROLLBACK or (data.startswith(b"Q") and data[5:10] == b"BEGIN"):
            self.text = b""
        if len(self.text) < _REMEMBERED_BYTES:
            self.text += data
        return False

    def end(self) -> None:
        """The transaction is over."""
        self.text = b""
