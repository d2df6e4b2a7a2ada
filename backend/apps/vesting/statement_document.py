"""A statement as bytes: one canonical JSON with its own hash, and the same as CSV. Knows no database.

Canonical: UTF-8, keys sorted, no spaces, one line feed at the end. ``sha256`` is of those bytes without that entry.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import Any

FORMAT = "posx-statement/1"
SUMS = ("granted", "vested", "locked", "unlocked", "frozen", "in_flight", "released", "revoked")
_COLUMNS = ("allocation_id", "asset_code", "number", "unlock_at", "amount_base_units", "state", "tx_hash")
_HASH_LINE = "sha256"


class NotAStatement(ValueError):
    """These bytes are no statement, or not of a format that is known here."""


def json_bytes(statement: dict[str, Any]) -> bytes:
    """The canonical document, hash included."""
    return _canonical({**statement, "sha256": sha256_of(statement)})


def sha256_of(statement: dict[str, Any]) -> str:
    """The hash that the canonical document bears; pages and pictures of the statement bear it too."""
    return hashlib.sha256(_canonical(statement)).hexdigest()


def csv_bytes(statement: dict[str, Any]) -> bytes:
    """One line a release; the first line says whose and as of when, the last one is the hash of all before it."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow([FORMAT, statement["beneficiary_id"], statement["as_of"]])
    lines.writerow(_COLUMNS)
    for allocation in statement["allocations"]:
        here = [allocation["id"], allocation["asset_code"]]
        for release in allocation["releases"]:
            lines.writerow([*here, *(release[name] for name in _COLUMNS[2:])])
    content = text.getvalue().encode()
    return content + f"{_HASH_LINE},{hashlib.sha256(content).hexdigest()}\r\n".encode()


def is_genuine(content: bytes) -> bool:
    """Whether the hash on a statement is that of its content, byte for byte. Raises NotAStatement."""
    if content.startswith(f"{FORMAT},".encode()):
        before, mark, last = content.rpartition(f"\r\n{_HASH_LINE},".encode())
        digest = hashlib.sha256(before + b"\r\n").hexdigest()
        return bool(mark) and last == f"{digest}\r\n".encode()
    try:
        statement = json.loads(content)
    except ValueError as error:
        raise NotAStatement("neither JSON nor CSV") from error
    if not isinstance(statement, dict) or statement.get("format") != FORMAT:
        raise NotAStatement(f"not of the format {FORMAT}")
    # Byte for byte: a key that is there twice, or an amount written in another way, is another statement.
    return json_bytes({name: value for name, value in statement.items() if name != "sha256"}) == content


def _canonical(document: dict[str, Any]) -> bytes:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{text}\n".encode()
