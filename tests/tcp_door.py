"""A door before a TCP server: closed it refuses, open it forwards, and shut again it cuts who is inside."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

from devstack.ports import HOST, free_port


class TcpDoor:
    """Stands at `port` for the whole test; closed at first, so that connections are refused."""

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self._target_port = target_port
        self._listener: socket.socket | None = None
        self._inside: list[socket.socket] = []
        self._lock = threading.Lock()

    def url(self, url: str) -> str:
        """The server's URL by way of this door."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@{HOST}:{self.port}"))

    def lead_to(self, url: str) -> None:
        """From now on it stands before another server."""
        self._target_port = urlsplit(url).port or 0

    def open(self) -> None:
        """Let everybody in."""
        self._listener = socket.create_server((HOST, self.port))
        threading.Thread(target=self._admit, args=[self._listener], daemon=True).start()

    def shut(self) -> None:
        """Refuse newcomers and cut every connection."""
        with self._lock:
            listener, self._listener = self._listener, None
            inside, self._inside = self._inside, []
        for one in [*inside, *([listener] if listener else [])]:
            _cut(one)

    def _admit(self, listener: socket.socket) -> None:
        while True:
            try:
                caller = listener.accept()[0]
                server = socket.create_connection((HOST, self._target_port))
            except OSError:
                return  # shut
            with self._lock:
                if self._listener is not listener:  # shut between the two connections
                    _cut(caller)
                    _cut(server)
                    return
                self._inside += [caller, server]
            for source, sink in ((caller, server), (server, caller)):
                threading.Thread(target=_forward, args=[source, sink], daemon=True).start()


@contextlib.contextmanager
def door_to(url: str) -> Iterator[TcpDoor]:
    """A closed door before the server of `url`."""
    door = TcpDoor(urlsplit(url).port or 0)
    try:
        yield door
    finally:
        door.shut()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):  # one side went away: so does the other
        while data := source.recv(65536):
            sink.sendall(data)
    _cut(sink)


def _cut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed by the other direction already
        one.shutdown(socket.SHUT_RDWR)
    one.close()
