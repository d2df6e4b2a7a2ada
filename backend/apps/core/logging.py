"""Log lines: JSON objects for Railway, readable ones for people; redacted, and with the request id."""

import json
import logging
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from celery import current_task

from apps.core.context import current_actor, current_request_id
from apps.core.redaction import HIDDEN, is_secret_name, redact

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = str | int | float | UUID
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
    """What callers passed as extra=; plain values and mappings of them, since Django puts whole requests there."""
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    fields = _task_fields(given.pop("data", None))
    for name, value in given.items():
        if isinstance(value, _PLAIN):
            fields[name] = _plain(name, value)
        elif isinstance(value, dict) and all(isinstance(one, _PLAIN) for one in value.values()):
            fields[name] = {redact(str(word)): _plain(str(word), one) for word, one in value.items()}
    return fields


def _plain(name: str, value: _PLAIN) -> Any:
    if is_secret_name(name) and not isinstance(value, bool):
        return HIDDEN
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # NaN is no JSON
    return redact(str(value)) if isinstance(value, str | UUID) else value


def _task_fields(data: object) -> dict[str, Any]:
    """Celery's own members of its lines about tasks: which one, and how long it took."""
    if not isinstance(data, dict):
        return {}
    fields = {"task_id": data.get("id"), "task": data.get("name")}
    if isinstance(runtime_s := data.get("runtime"), float):
        fields["duration_ms"] = round(runtime_s * 1000)
    return {name: value for name, value in fields.items() if isinstance(value, str | int)}


def _as_text(value: object) -> str:
    return redact(str(value))
