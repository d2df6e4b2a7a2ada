"""What this process is, by the words it was started with. No Django: settings are made from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

WEB, WORKER, BEAT, COMMAND = "web", "worker", "beat", "command"


def process_kind(words: Sequence[str]) -> str:
    """`words` as in sys.argv, of a program or of `python -m program`; a shell or a command when it is no service."""
    program = PurePath(words[0]) if words else PurePath()
    name = program.parent.name if program.name == "__main__.py" else program.name
    if name == "gunicorn":
        return WEB
    if name == "celery":
        return next((word for word in words[1:] if word in {WORKER, BEAT}), COMMAND)
    return COMMAND
