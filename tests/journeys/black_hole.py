"""A server that takes connections and never reads, answers or forwards a byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class BlackHole:
    """`callers` holds every connection that came in, open until the end."""

    def __init__(self) -> None:
        self.callers: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        """Accept until closed."""
        while True:
            try:
                self.callers.append(self._listener.accept()[0])
            except OSError:
                return  # closed by the test's end

    def close(self) -> None:
        """Let go of everybody."""
        # Closing alone does not wake a thread that waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        for one in [self._listener, *self.callers]:
            one.close()


@contextmanager
def black_hole() -> Iterator[BlackHole]:
    """A running one on a free port."""
    hole = BlackHole()
    thread = threading.Thread(target=hole.run, daemon=True)
    thread.start()
    try:
        yield hole
    finally:
        hole.close()
        thread.join(timeout=5)
