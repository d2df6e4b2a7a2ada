"""A sandbox's state: JSON documents and a few tables in one SQLite file, safe across threads and restarts."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]

_PAGE_ROWS = 200
_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, lookup TEXT,
    body TEXT NOT NULL, UNIQUE (kind, id), UNIQUE (kind, lookup));
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS idempotency_keys (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS nonces (nonce TEXT PRIMARY KEY, seen_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, event_type TEXT NOT NULL,
    body BLOB NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next_attempt_at REAL NOT NULL,
    last_status INTEGER, last_error TEXT, created_at REAL NOT NULL, delivered_at REAL);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, next_attempt_at);
CREATE INDEX IF NOT EXISTS deliveries_event ON deliveries (event_id);
"""
_CLEARED = ("documents", "idempotency_keys", "nonces", "deliveries")


class Store:
    """One connection behind one lock: every sandbox operation is short, so nothing more is needed."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # enough for kill -9 of the process
        self._db.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock and commit at the end of the outermost block; roll back on an exception."""
        with self._lock:
            outermost = self._depth == 0
            if outermost:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if outermost:
                    self._db.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self._db.execute("COMMIT")
            finally:
                self._depth -= 1

    def execute(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with self._lock:
            return self._db.execute(sql, args).fetchall()

    def add(self, kind: str, doc_id: str, body: Document, *, lookup: str | None = None) -> None:
        """Insert a document; sqlite3.IntegrityError when its id or lookup key exists."""
        self.execute(
            "INSERT INTO documents (kind, id, lookup, body) VALUES (?, ?, ?, ?)",
            (kind, doc_id, lookup, json.dumps(body)),
        )

    def save(self, kind: str, doc_id: str, body: Document) -> None:
        """Replace a document that exists."""
        self.execute(
            "UPDATE documents SET body = ? WHERE kind = ? AND id = ?", (json.dumps(body), kind, doc_id)
        )

    def delete(self, kind: str, doc_id: str) -> None:
        """Remove a document, if it is there."""
        self.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, doc_id))

    def get(self, kind: str, doc_id: str) -> Document | None:
        """One document by id."""
        return self._one("SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, doc_id))

    def look_up(self, kind: str, lookup: str) -> Document | None:
        """One document by its second key."""
        return self._one("SELECT body FROM documents WHERE kind = ? AND lookup = ?", (kind, lookup))

    def _one(self, sql: str, args: Sequence[str]) -> Document | None:
        rows = self.execute(sql, args)
        return json.loads(rows[0][0]) if rows else None

    def newest(self, kind: str) -> Iterator[Document]:
        """All documents of a kind, newest first, read page by page."""
        before = 2**62
        while True:
            rows = self.execute(
                "SELECT seq, body FROM documents WHERE kind = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
                (kind, before, _PAGE_ROWS),
            )
            yield from (json.loads(body) for _, body in rows)
            if len(rows) < _PAGE_ROWS:
                return
            before = rows[-1][0]

    def setting(self, name: str) -> str | None:
        """A named value that reset() keeps (keys, for instance)."""
        rows = self.execute("SELECT value FROM settings WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def set_setting(self, name: str, value: str) -> None:
        """Write a named value."""
        self.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", (name, value))

    def clear(self) -> None:
        """Forget everything but the settings."""
        with self.transaction():
            for table in _CLEARED:
                self.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the constant above

    def close(self) -> None:
        """Close the file; background threads must be stopped first."""
        with self._lock:
            self._db.close()
