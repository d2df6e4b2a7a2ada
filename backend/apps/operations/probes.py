"""Asking a dependency that may hang: in a thread of its own, with a deadline, and never twice at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

logger = logging.getLogger("posx.ready")


@dataclass(frozen=True)
class Check:
    """What one question came to: fine or not and why; `figures` are numbers for a monitor. No secret, no site."""

    ok: bool
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As the page shows it."""
        return {"ok": self.ok, **({"reason": self.reason} if self.reason else {}), **self.figures}


Answers = dict[str, Check]


class _Round:
    """One go at all of a probe's questions; `answers` fills up while it runs."""

    def __init__(self) -> None:
        self.answers: Answers = {}
        self.done = threading.Event()
        self.started_s = time.monotonic()


class Probe:
    """Questions to one dependency, asked by `ask`, which writes each answer as soon as it has it.

    While a round runs, whoever comes joins it: neither a hanging server nor a crowd of callers makes more than one
    thread and one connection a process. `ask` must end by itself at some time (timeouts of the client).
    """

    def __init__(self, names: tuple[str, ...], ask: Callable[[Answers], None]) -> None:
        self.names = names
        self._ask = ask
        self._lock = threading.Lock()
        self._round: _Round | None = None

    def start(self) -> _Round:
        """Begin a round, or join the one that runs."""
        with self._lock:
            if self._round is None or self._round.done.is_set():
                self._round = _Round()
                threading.Thread(target=self._run, args=[self._round], name="probe", daemon=True).start()
            return self._round

    def collect(self, asked: _Round, deadline_s: float) -> Answers:
        """What is known at `deadline_s` (monotonic); a question without an answer by then has failed."""
        ended = asked.done.wait(max(0.0, deadline_s - time.monotonic()))
        known = dict(asked.answers)
        waited_s = round(time.monotonic() - asked.started_s, 1)
        silent = _("could not be asked") if ended else _("no answer for %s s") % waited_s
        return {name: known.get(name) or Check(False, silent) for name in self.names}

    def _run(self, asked: _Round) -> None:
        try:
            self._ask(asked.answers)
        except Exception:
            # Safe: what was not answered counts as failed on the page, and the log says why.
            logger.exception("readiness could not ask: %s", ", ".join(self.names))
        finally:
            asked.done.set()
