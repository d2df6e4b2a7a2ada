"""The checks of one emulated deployment, and the table that they become."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class CheckFailed(Exception):
    """What was checked does not hold; the message says what was found instead."""


class Checks:
    """Collects one row for each check. The first that fails ends the run: what follows rests on it."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._rows: list[tuple[str, str, float]] = []

    @contextmanager
    def check(self, what: str) -> Iterator[None]:
        """`what` holds when the block ends without an exception; the exception goes on."""
        started_s = time.monotonic()
        if self._output.isatty():
            self._write(f"  ...    {what}\r")
        state = "FAILED"
        try:
            yield
            state = "ok"
        finally:
            took_s = time.monotonic() - started_s
            self._rows.append((what, state, took_s))
            self._write(f"  {state:<6} {what} ({took_s:.1f} s)\n")

    def table(self) -> str:
        """All rows, widest first column, times in seconds."""
        width = max([len("check"), *(len(what) for what, _, _ in self._rows)])
        lines = [f"{'check':<{width}}  state   seconds", f"{'-' * width}  ------  -------"]
        lines += [f"{what:<{width}}  {state:<6}  {took_s:7.1f}" for what, state, took_s in self._rows]
        return "\n".join(lines)

    def _write(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()
