"""Log lines: JSON objects for Railway, readable ones for people; redacted, and with the request id."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from celery import current_task

from apps.core.context import current_actor, current_request_id
from apps.core.redaction import redact

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_readers: dict[str, Callable[[], str | None]] = {}


def register_log_field(name: str, read: Callable[[], str | None]) -> None:
    """Add a member to every line, read when it is written: rooms above core know words that core does not."""
    _readers[name] = read


def _task_id() -> str | None:
    request = current_task.request if current_task else None
    return request.id if request else None


def _context_fields() -> dict[str, str]:
    actor = current_actor()
    fields = {
        "request_id": current_request_id(),
        "task_id": _task_id(),
        "actor_kind": actor.kind if actor else None,
        **{name: read() for name, read in _readers.items()},
    }
    return {name: value for name, value in fields.items() if value}


class JsonFormatter(logging.Formatter):
    """Railway reads `level` and `message`; everything else is searchable as an attribute."""

    def format(self, record: logging.LogRecord) -> str:
        """One object, one line: json escapes the line breaks of a traceback."""
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            **_context_fields(),
            **_extra_fields(record),
        }
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=_as_text)


class LineFormatter(logging.Formatter):
    """For people: time, level, logger, message, and a traceback below."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s [%(levelname)s] %(name)s: %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The stock line, redacted, with the request id at its end."""
        line = redact(super().format(record))
        request_id = current_request_id()
        head, _, rest = line.partition("\n")
        head = f"{head} ({request_id[:36]})" if request_id else head
        return f"{head}\n{rest}" if rest else head


def _extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    """What callers passed as extra=; plain values only, since Django puts whole requests there."""
    return {
        name: redact(value) if isinstance(value, str) else value
        for name, value in vars(record).items()
        if name not in _STANDARD and isinstance(value, str | int | bool)
    }


def _as_text(value: object) -> str:
    return redact(str(value))
