"""A bar for work that a person waits for, on a terminal's standard error only: in a log its redrawing is noise."""

from __future__ import annotations

import sys
from typing import TextIO

WIDTH = 30


class Bar:
    """How far one side was looked through. ``update`` takes the position reached, from 0 to ``total``."""

    def __init__(self, label: str, total: int, stream: TextIO | None = None) -> None:
        self._label, self._total = label, max(total, 1)
        self._stream = stream or sys.stderr
        self._draws = self._stream.isatty()

    def update(self, reached: int) -> None:
        """Draw the bar anew."""
        if self._draws:
            share = min(reached / self._total, 1)
            filled = int(share * WIDTH)
            self._stream.write(f"\r{self._label:12.12} [{'#' * filled}{'.' * (WIDTH - filled)}] {share:4.0%}")
            self._stream.flush()

    def end(self) -> None:
        """Clear the line for what is printed next."""
        if self._draws:
            self._stream.write("\r" + " " * (WIDTH + 24) + "\r")
            self._stream.flush()
