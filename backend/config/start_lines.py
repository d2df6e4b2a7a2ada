"""What others print while a service starts and stops, as log lines: Railway shows each line with its own level."""

import io
import logging
import os
import sys
from typing import TextIO

from apps.core.logging import JsonFormatter

# What start commands run before the service itself. Others may be asked for something that a program reads.
AT_START = ("collectstatic", "migrate")


class JsonLines(io.TextIOBase):
    """Stands in for stdout: each line that is written becomes one JSON object of level info."""

    def __init__(self, output: TextIO, *, logger: str) -> None:
        self._output, self._logger = output, logger
        self._formatter = JsonFormatter()
        self._begun = ""

    def writable(self) -> bool:
        """As every output."""
        return True

    def write(self, text: str, /) -> int:
        """Lines go out whole; what has no end yet waits for it."""
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            self._say(line)
        return len(text)

    def flush(self) -> None:
        """A line is never cut: migrate flushes between a migration's name and its OK."""
        self._output.flush()

    def close(self) -> None:
        """What was begun is said too. The output below stays open."""
        if not self.closed:
            self._say(self._begun)
            self._begun = ""
            self._output.flush()
        super().close()

    def _say(self, line: str) -> None:
        if line.strip():
            record = logging.LogRecord(self._logger, logging.INFO, "", 0, line.strip(), None, None)
            self._output.write(self._formatter.format(record) + "\n")


def say_in_signal_handler(message: str, _file: object = None) -> None:
    """One log line by a single system call: the interrupted code may hold the lock of logging's handler."""
    record = logging.LogRecord("celery.worker", logging.INFO, "", 0, message.strip(), None, None)
    handlers = logging.getLogger().handlers
    line = handlers[0].format(record) if handlers else message.strip()
    try:
        os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, f"{line}\n".encode())
    except OSError:
        return  # nobody reads any more; the handler's work is to stop the worker
