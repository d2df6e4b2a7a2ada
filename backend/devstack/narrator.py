"""Tells a story step by step: what happened, how long it took, and a bar while it waits on a terminal."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

POLL_S = 0.15
_BAR_WIDTH = 24
_INDENT = " " * 7


class StoryFailed(Exception):
    """A step did not come out as it must, or took too long; the message is one clear sentence."""


class Narrator:
    """Writes to `output`; elsewhere than on a terminal only whole lines are written."""

    def __init__(self, output: TextIO, *, steps: int) -> None:
        self._output = output
        self._steps = steps
        self._done = 0
        self._redraws = output.isatty()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step of the story: its title, what the block says, its time. Raises StoryFailed for odd answers."""
        self._done += 1
        self._write(f"{self._done:>3}/{self._steps}  {title}\n")
        started_s = time.monotonic()
        try:
            yield
        except (LookupError, TypeError, ValueError) as error:
            raise StoryFailed(
                f"In step {self._done} an answer was not of its known shape: {error!r}."
            ) from error
        self.say(f"({time.monotonic() - started_s:.2f} s)")

    def say(self, text: str) -> None:
        """One line, or several, of what happened."""
        for line in text.splitlines():
            self._write(f"{_INDENT}{line}".rstrip() + "\n")

    def follow(self, what: str, look: Callable[[], str], *, stages: Sequence[str], within_s: float) -> None:
        """Ask `look` where `what` is until it is at the last of the stages.

        Raises StoryFailed for a state that is none of them, and when `within_s` is over.
        """
        started_s = time.monotonic()
        while (state := look()) != stages[-1]:
            if state not in stages:
                self._erase()
                raise StoryFailed(f"{what} came to be {state}; {stages[-1]} was to be expected.")
            waited_s = time.monotonic() - started_s
            if waited_s > within_s:
                self._erase()
                raise StoryFailed(f"{what} was still {state} after {within_s:.0f} s, not {stages[-1]}.")
            self._draw(stages.index(state), len(stages) - 1, f"{what}: {state} ({waited_s:.0f} s)")
            time.sleep(POLL_S)
        self._erase()
        self.say(f"{what}: {stages[-1]} after {time.monotonic() - started_s:.1f} s")

    def _draw(self, done: int, of: int, text: str) -> None:
        if self._redraws:
            filled = _BAR_WIDTH * done // of
            bar = "#" * filled + "." * (_BAR_WIDTH - filled)
            # A wrapped line could not be drawn over.
            width = shutil.get_terminal_size().columns - 1
            self._write("\r\033[K" + f"{_INDENT}[{bar}] {text}"[:width])

    def _erase(self) -> None:
        if self._redraws:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()
